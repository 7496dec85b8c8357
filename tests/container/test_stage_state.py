"""A stage knows what its words mean where it has come to: variables, folders, and what only the base image knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.container.context import Context
from nsg_cluster.container.dockerfile import Instruction, Mistakes, parse
from nsg_cluster.container.stage_state import StageState
from nsg_cluster.container.stages import SCRATCH, Plan, Stage
from nsg_cluster.container.words import Reference, WordError

WORKDIR = parse(b"FROM x\nWORKDIR a\n", Path("Dockerfile")).instructions[1]


def state(image: str = "debian") -> StageState:
    stage = Stage(index=0, name="stage-0", line=1, image=image, parent=None, instructions=())
    plan = Plan(stages=(stage,), unused=(), images=(), arguments={}, given={})
    return StageState(stage, plan, Context(root=Path()), Mistakes(Path("Dockerfile")), "\\")


def test_env_goes_before_arg_and_both_before_the_base_image() -> None:
    here = state()
    here.env["A"], here.arguments["A"], here.arguments["B"] = ("of env",), ("of arg",), ("of arg",)
    assert (here.lookup("A"), here.lookup("B")) == (("of env",), ("of arg",))
    assert here.lookup("PATH") == (Reference("PATH"),)


@pytest.mark.parametrize("name", ["HOME", "PWD", "USER"])
def test_what_the_engine_sets_is_no_variable_of_the_base_image(name: str) -> None:
    assert state().lookup(name) is None


def test_scratch_has_no_variables() -> None:
    assert state(SCRATCH).lookup("PATH") is None


@pytest.mark.parametrize(
    ("word", "path"),
    [("b", "/a/b"), ("../c", "/c"), ("/d/./e/", "/d/e/"), (".", "/a/"), ("/", "/"), ("//x", "/x")],
)
def test_paths_are_made_absolute_by_the_working_folder(word: str, path: str) -> None:
    here = state()
    here.folder = ("/a",)
    assert here.resolve((word,)) == (path,)


def test_a_path_that_only_the_base_image_knows_is_left_to_the_shell() -> None:
    assert state().resolve((Reference("TARGET"), "/x")) == (Reference("TARGET"), "/x")
    with pytest.raises(WordError, match=r"WORKDIR: \$TARGET depends on a variable that only the base image knows"):
        state().known("$TARGET", WORKDIR)


def test_a_relative_destination_is_reported_where_the_base_image_may_have_a_folder_of_its_own() -> None:
    def reported(here: StageState, instruction: Instruction = WORKDIR) -> list[str]:
        here.destination(("a",), instruction)
        return [loss.sentence for loss in here.losses]

    assert "Singularity does not know a base image's WORKDIR" in reported(state())[0]
    assert reported(state(SCRATCH)) == []
    after = state()
    after.has_workdir = True
    assert reported(after) == []
