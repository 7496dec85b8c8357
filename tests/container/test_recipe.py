"""Instructions become a recipe; what an image of Singularity cannot say is in the loss report or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.container.loss import loss_json, loss_text
from tests.container.converting import converted, refusal


def test_every_instruction_without_a_counterpart_is_in_the_report_with_its_line(tmp_path: Path) -> None:
    text = "FROM x\nEXPOSE 80\nVOLUME /v\nSTOPSIGNAL TERM\nHEALTHCHECK CMD true\nONBUILD RUN a\nUSER u\nMAINTAINER m\n"
    found = converted(tmp_path, text)
    assert [(loss.line, loss.instruction, loss.kind) for loss in found.losses] == [
        (2, "EXPOSE", "lost"),
        (3, "VOLUME", "changed"),
        (4, "STOPSIGNAL", "lost"),
        (5, "HEALTHCHECK", "lost"),
        (6, "ONBUILD", "lost"),
        (7, "USER", "lost"),
        (8, "MAINTAINER", "changed"),
    ]
    path = Path("Dockerfile")
    assert loss_text(found.losses, path).startswith("Dockerfile:2: lost: EXPOSE: needs no counterpart")
    assert loss_json(found.losses, path)["losses"][0]["line"] == 2  # type: ignore[index]


def test_nothing_is_reported_where_nothing_is_lost(tmp_path: Path) -> None:
    assert converted(tmp_path, "FROM x\nENV A=1\nRUN b\nHEALTHCHECK NONE\nUSER root\nCMD c\n").losses == ()


def test_the_same_dockerfile_gives_the_same_definition(tmp_path: Path) -> None:
    text = "FROM x\nCOPY . /all\nRUN a\n"
    assert converted(tmp_path, text).text == converted(tmp_path, text).text


def test_literal_variables_stand_in_the_environment_and_others_are_kept_while_building(tmp_path: Path) -> None:
    text = converted(tmp_path, "FROM x\nENV A=1 PATH=/a:$PATH\nENV B=$A-$PATH\n").text
    assert '%environment\nexport A="1"\n\n' in text
    assert 'export A=1 PATH="/a:${PATH}"' in text
    assert 'export B="1-${PATH}"' in text
    assert "nsg_keep PATH\n    nsg_keep B\n" in text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ENV A", "ENV A has no value; write ENV A=value"),
        ("ENV A=1 B", "ENV: 'B' has no '='; write B=value, with quotes if need be"),
        ("ENV A='x", "a single quote is not closed in 'x"),
        ('ENV A="x', 'a double quote is not closed in "x'),
        ("ENV A=${B", "'}' is missing: a brace is not closed in ${B"),
        ("ENV a-b=1", "'a-b' is no name of a variable for a shell: letters, digits and '_' are allowed"),
        ("SHELL /bin/bash -c", 'SHELL is written as a JSON list: SHELL ["/bin/bash", "-c"]'),
        ("ONBUILD ONBUILD RUN a", "ONBUILD ONBUILD is not allowed"),
        (
            f"RUN {'x' * 40_000}",
            "RUN is longer than the 30000 letters that a definition can hold in a piece; put the text",
        ),
        ("LABEL a=$PATH", "LABEL depends on a variable that only the base image knows"),
    ],
)
def test_mistakes_are_said_in_a_sentence_with_the_line(tmp_path: Path, line: str, said: str) -> None:
    assert refusal(tmp_path, f"FROM x\n{line}\n").startswith(f"Dockerfile:2: {said}")
