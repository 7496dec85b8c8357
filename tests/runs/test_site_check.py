"""What can be found out about a site without one: `nsg_cluster.runs.site_check`, `nsg_cluster.runs.finding`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.config.site import Site, load_site
from nsg_cluster.runs.finding import Finding
from nsg_cluster.runs.site_check import examine_site


def found(site: Site) -> dict[str, Finding]:
    """Return the checks by name."""
    return {finding.name: finding for finding in examine_site(site)}


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Put the bash of this machine on PATH, and no scheduler."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/bash").symlink_to("/bin/bash")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("NSG_GROUP", "gaa50000")


@pytest.mark.parametrize("name", ["abci2", "abci3", "slurm", "tsubame4"])
def test_elsewhere_only_the_programs_are_broken(name: str) -> None:
    checks = found(load_site(name))
    broken = [check.name for check in checks.values() if check.is_fatal and check.name != "modules"]
    assert broken == [load_site(name).scheduler]
    assert "not on PATH: qsub, qstat" in checks[broken[0]].found or name == "slurm"
    assert ("scratch" not in checks or checks["scratch"].ok) and checks["group"].found == "gaa50000"


def test_a_misspelled_variable_of_the_scheduler_is_told_with_the_right_one() -> None:
    site = Site(name="x", scheduler="gridengine", scratch="$SSG_LOCALDIR", environment={"A": "${JOB_ID}$OWN$$"})
    variables = [each for each in examine_site(site) if each.name == "variable"]
    assert [each.found.split("$")[-1] for each in variables] == ["SSG_LOCALDIR", "OWN"]
    assert "Did you mean 'SGE_LOCALDIR'?" in variables[0].advice
    assert not variables[1].is_fatal, "the site itself may set it"


def test_modules_are_loaded_as_a_job_loads_them(tmp_path: Path) -> None:
    init = tmp_path / "modules.sh"
    init.write_text('module() { [ "$1 $2" = "load cuda/12" ] || { echo "ERROR: no $2" >&2; return 0; }; }\n')
    good, bad = (
        Site(name="x", scheduler="pbs", modules=(name,), modules_init=str(init)) for name in ("cuda/12", "cuda/99")
    )
    assert found(good)["modules"].ok
    check = found(bad)["modules"]
    assert check.is_fatal and "ERROR: no cuda/99" in check.found


def test_this_machine_needs_nothing() -> None:
    assert list(found(Site(name="here"))) == ["site"]
