"""The command that runs a program in an image: `nsg_cluster.container.command`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nsg_cluster.container.command import Container, container_argv, container_environment, mount
from nsg_cluster.container.program import Program
from nsg_cluster.core.errors import ConfigError

PROGRAM = Program(path="/usr/bin/apptainer", flavor="apptainer", version=(1, 4, 5))
PRO = Program(path="/opt/bin/singularity", flavor="singularitypro", version=(4, 1, 7))
CONTAINER = Container(
    image="/groups/g/images/a.sif",
    binds=("/groups/g", "/data:/data:ro"),
    variables=("WANDB_*", "TOKEN"),
    options=("--no-home",),
    source="/groups/g/runs/x/source",
)


def test_the_snapshot_is_bound_last_and_read_only_and_the_command_stands_behind_the_image() -> None:
    argv = container_argv(CONTAINER, PROGRAM, ["python3", "-c", "a b; $c"], folder=Path("/groups/g/runs/x"), gpu=True)
    assert argv == [
        *("/usr/bin/apptainer", "--quiet", "exec", "--cleanenv", "--nv"),
        *("--bind", "/groups/g", "--bind", "/data:/data:ro"),
        *("--bind", "/groups/g/runs/x/source:/groups/g/runs/x/source:ro"),
        *("--pwd", "/groups/g/runs/x", "--no-home", "/groups/g/images/a.sif", "python3", "-c", "a b; $c"),
    ]
    assert "--nv" not in container_argv(CONTAINER, PROGRAM, ["true"])


@pytest.mark.parametrize("separator", [":", ","])
def test_a_path_that_the_container_program_would_cut_in_two_is_refused(separator: str) -> None:
    with pytest.raises(ConfigError, match=rf"a container cannot see a path with '{separator}' in it"):
        mount(f"/groups/a{separator}b")


def test_only_what_a_task_needs_passes_and_each_program_is_told_in_its_own_words() -> None:
    host = {
        "PATH": "/usr/bin",
        "LD_LIBRARY_PATH": "/opt/lib",
        "PYTHONPATH": "/checkout",
        "HOME": "/home/me",
        "SECRET": "x",
        "TOKEN": "t",
        "WANDB_API_KEY": "k",
        "CUDA_VISIBLE_DEVICES": "1",
        "PBS_JOBID": "1.pbs",
        "SGE_TASK_ID": "2",
        "SLURM_JOB_ID": "3",
        "JOB_ID": "4",
        "OMPI_COMM_WORLD_RANK": "0",
        "NCCL_DEBUG": "INFO",
        "MASTER_ADDR": "a",
        "NSG_SCRATCH": "/local",
        "OMP_NUM_THREADS": "8",
    }
    for program, prefix in ((PROGRAM, "APPTAINERENV_"), (PRO, "SINGULARITYENV_")):
        env = container_environment(CONTAINER, program, host)
        inside = {name.removeprefix(prefix): value for name, value in env.items() if name.startswith(prefix)}
        kept = {
            key: host[key] for key in host if key not in {"PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "HOME", "SECRET"}
        }
        assert inside == {**kept, "PYTHONPATH": "/groups/g/runs/x/source", "PYTHONNOUSERSITE": "1"}
        assert {name: env[name] for name in host} == host


def test_the_blender_of_the_host_enters_an_image_only_where_it_is_asked_for_by_name() -> None:
    host = {"NSG_BLENDER": "/opt/blender", "NSG_SCRATCH": "/local"}
    assert "APPTAINERENV_NSG_BLENDER" not in container_environment(CONTAINER, PROGRAM, host)
    asked = replace(CONTAINER, variables=("NSG_BLENDER",))
    assert container_environment(asked, PROGRAM, host)["APPTAINERENV_NSG_BLENDER"] == "/opt/blender"


def test_what_is_handed_over_already_keeps_its_value_and_is_told_to_this_program_alone() -> None:
    secret = "a$b`c`\\"
    host = {"KEY": secret, "APPTAINERENV_KEY": secret, "SINGULARITYENV_KEY": secret, "APPTAINERENV_MINE": "$HOME"}
    env = container_environment(CONTAINER, PROGRAM, host)
    assert env["APPTAINERENV_KEY"] == "a\\$b\\`c\\`\\\\"
    assert "SINGULARITYENV_KEY" not in env and env["APPTAINERENV_MINE"] == "$HOME"


def test_it_is_read_back_as_it_was_written() -> None:
    assert Container.from_json(CONTAINER.to_json()) == CONTAINER
