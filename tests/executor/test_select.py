"""A site's executor writes the script that the site's file asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.config.site import load_site
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.executor.placement import Need, place
from nsg_cluster.executor.select import make_executor
from nsg_cluster.scheduler.types import Dependency, JobId

EXPECTED = {
    "abci2": [
        "#$ -l rt_G.small=1",
        "#$ -l h_rt=2:00:00",
        "module load singularitypro || exit",
        'export NSG_SCRATCH="${SGE_LOCALDIR:?is not set in this job.}"',
        'export SINGULARITY_TMPDIR="${SGE_LOCALDIR:?is not set in this job.}"',
    ],
    "abci3": ["#PBS -q rt_HG", "#PBS -l select=1", "#PBS -l walltime=2:00:00"],
    "tsubame4": ["#$ -l gpu_1=1", "#$ -l h_rt=2:00:00"],
    "slurm": ["#SBATCH --gpus-per-node=1", "#SBATCH --time=2:00:00"],
}


@pytest.fixture(autouse=True)
def _group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSG_GROUP", "gaa50000")


@pytest.mark.parametrize("name", EXPECTED)
def test_the_script_is_the_sites(name: str, tmp_path: Path) -> None:
    site = load_site(name)
    placement = place(site, Need(gpus=1, walltime_s=7200))
    after = Dependency(jobs=(JobId("3"),), success=False)
    executor = make_executor(site, tmp_path, placement, name="lego-abc", max_parallel=4, after=after)
    lines = executor._make_submission_file_text("python -m x", "uid").splitlines()
    assert set(EXPECTED[name]) <= set(lines)
    assert f"export SUBMITIT_EXECUTOR={site.scheduler}" in lines
    assert "export NSG_WARN_AFTER_S=7110" in lines
    submission = executor.submission(20)
    assert (submission.name, submission.group, submission.max_parallel) == ("lego-abc", "gaa50000", 4)
    assert submission.after == after


def test_a_site_that_names_no_time_limit_warns_of_none(tmp_path: Path) -> None:
    site = load_site("slurm")
    executor = make_executor(site, tmp_path, place(site, Need()), name="x")
    text = executor._make_submission_file_text("python -m x", "uid")
    assert "NSG_WARN_AFTER_S" not in text
    assert "--time" not in text


def test_jobs_use_the_blender_that_this_shell_names_unless_their_site_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NSG_BLENDER", "/opt/$5 a/blender")
    site = load_site("slurm")
    other = site.model_copy(update={"environment": {"NSG_BLENDER": "/apps/blender"}})
    for found, line in (
        (site, "export NSG_BLENDER='/opt/$''5 a/blender'"),
        (other, "export NSG_BLENDER=/apps/blender"),
    ):
        executor = make_executor(found, tmp_path, place(found, Need()), name="x")
        assert line in executor._make_submission_file_text("python -m x", "uid").splitlines()


def test_this_machine_has_no_such_executor(tmp_path: Path) -> None:
    site = load_site("slurm")
    placement = place(site, Need())
    with pytest.raises(ConfigError, match="this machine itself"):
        make_executor(load_site("local"), tmp_path, placement, name="x")
