"""Stages: which are built, and what is wrong with a FROM or a name of a stage."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.container.converting import converted, refusal

THREE = "FROM x AS one\nRUN 1\nFROM y AS two\nRUN 2\nFROM z\nCOPY --from=one /f /f\n"


def test_only_stages_that_the_image_needs_are_built_and_the_others_are_noted(tmp_path: Path) -> None:
    found = converted(tmp_path, THREE)
    assert found.images == ("x", "z")
    assert "Stage: two" not in found.text
    assert [(loss.line, loss.sentence) for loss in found.losses] == [
        (3, "stage 'two' is not built: the image does not need it")
    ]


def test_the_target_can_be_chosen_by_name_or_number(tmp_path: Path) -> None:
    assert converted(tmp_path, THREE, target="two").images == ("y",)
    assert converted(tmp_path, THREE, target="0").images == ("x",)
    assert "no stage is named 'tow'; there are one, two, stage-2. Did you mean 'two'?" in refusal(
        tmp_path, THREE, target="tow"
    )


def test_values_of_arg_replace_defaults_also_before_from(tmp_path: Path) -> None:
    text = "ARG TAG=1\nARG IMAGE=x:$TAG\nFROM ${IMAGE}\nARG TAG\nRUN echo $TAG\n"
    assert converted(tmp_path, text).images == ("x:1",)
    found = converted(tmp_path, text, arguments={"TAG": "2"})
    assert found.images == ("x:2",)
    assert "export TAG=2\n" in found.text


def test_an_image_file_takes_the_place_of_a_base_image(tmp_path: Path) -> None:
    text = converted(tmp_path, "FROM debian:bookworm-slim\n", bases={"debian:bookworm-slim": Path("/b.sif")}).text
    assert "Bootstrap: localimage\nFrom: /b.sif\n" in text
    assert "Bootstrap: docker\nFrom: debian:bookworm-slim\n" in converted(tmp_path, "FROM debian:bookworm-slim\n").text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("RUN a", "Dockerfile:1: RUN stands before the first FROM; only ARG may"),
        ("ARG A=1\n", "Dockerfile:1: has no FROM; a Dockerfile begins with FROM and the image to build on"),
        ("FROM x AS\n", "Dockerfile:1: FROM is written 'FROM image' or 'FROM image AS name', not 'FROM x AS'"),
        ("FROM $A\n", "Dockerfile:1: FROM $A names no image; give the ARG a default, or a value for this build"),
        ("FROM x AS 1a\n", "Dockerfile:1: '1a' is no name for a stage"),
        ("FROM x AS a\nFROM y AS a\n", "Dockerfile:2: a stage named 'a' exists already"),
        ("FROM b AS a\nFROM a AS b\n", "Dockerfile:1: FROM b is cyclic: stage 'b' is defined later, at line 2"),
        ("FROM x AS a\nCOPY --from=a /f /f\n", "Dockerfile:2: --from=a is cyclic: the stage copies from itself"),
        (
            "FROM x\nCOPY --from=b /f /f\nFROM y AS b\nFROM x\nCOPY --from=0 /f /f\n",
            "names a stage that is defined later",
        ),
        (
            "FROM x AS build\nFROM y\nCOPY --from=biuld /f /f\n",
            "Dockerfile:3: --from=biuld names no stage; there are build",
        ),
        ("FROM x\nCOPY --from=7 /f /f\n", "Dockerfile:2: --from=7 names no stage; there are none"),
        ("FROM --platform=linux/riscv64 x\n", "Dockerfile:1: --platform=linux/riscv64 cannot be built here"),
    ],
)
def test_mistakes_are_said_in_a_sentence_with_the_line(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(tmp_path, text)


def test_a_value_for_an_arg_that_is_not_declared_is_refused(tmp_path: Path) -> None:
    assert "ARG VERSOIN, which the file does not declare; it has VERSION" in refusal(
        tmp_path, "ARG VERSION=1\nFROM x\n", arguments={"VERSOIN": "2"}
    )
