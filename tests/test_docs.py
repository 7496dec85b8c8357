"""The documentation is true: links lead somewhere, commands exist, files that it names are there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from nsg_cluster.cli import command
from nsg_cluster.config.schema import Experiment
from nsg_cluster.config.sections import all_keys

CHECKOUT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [
        CHECKOUT / "README.md",
        CHECKOUT / "CHANGELOG.md",
        CHECKOUT / "csrc" / "README.md",
        CHECKOUT / "docs" / "migration.md",
        CHECKOUT / "singularity" / "README.md",
    ]
)
README = (CHECKOUT / "README.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not broken


def test_every_link_to_a_section_leads_to_one() -> None:
    heads = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
    linked = set(re.findall(r"\]\(#([^)]+)\)", README))
    assert linked and not linked - anchors


def test_every_configuration_file_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"configs/[\w./-]+\.(?:yaml|json)", README))
    assert named
    assert not [name for name in named if not (CHECKOUT / name).exists()]


def test_every_verb_of_the_command_line_is_in_the_readme_and_the_other_way_round() -> None:
    verbs = set(command.commands)
    mentioned = set(re.findall(r"launch\.py ([a-z]+)(?=[\s`])", README))
    assert not verbs - mentioned, "verbs that the README does not mention"
    assert not mentioned - verbs, "verbs that the README invents"


@pytest.mark.parametrize("verb", sorted(command.commands))
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    result = CliRunner().invoke(command, [verb, "--help"])
    assert result.exit_code == 0
    assert "launch.py" in result.output


def test_every_make_target_that_the_readme_names_exists() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b", README)) <= targets


def commands(group: click.Group = command) -> Iterator[click.Command]:
    """Yield every command, the commands of groups among them."""
    yield group
    for each in group.commands.values():
        yield from commands(each) if isinstance(each, click.Group) else [each]


def written_out() -> Iterator[str]:
    """Yield the command lines that help and README show, but for those that are shown for their mistakes."""
    helps = "\n".join(each.help or "" for each in commands())
    blocks = "\n".join(re.findall(r"^```(?:sh|console)?\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
    lines = f"{helps}\n{blocks}".replace("\\\n", " ").splitlines()
    for line, answer in zip(lines, [*lines[1:], ""], strict=True):
        if re.match(r" *(\$ )?python launch\.py ", line) and not answer.startswith("error: "):
            yield line.strip().removeprefix("$ ")


@pytest.mark.parametrize("line", sorted(set(written_out())))
def test_every_command_that_is_shown_can_be_typed_as_it_stands(line: str) -> None:
    _, _, *words = shlex.split(line.partition(" > ")[0], comments=True)
    context = command.make_context("launch.py", words)
    while isinstance(context.command, click.Group) and (rest := [*context._protected_args, *context.args]):
        name, found, rest = context.command.resolve_command(context, rest)
        assert found is not None
        if "--help" in rest:
            return
        context = found.make_context(name, rest, parent=context)
    paths = {path for places in all_keys(Experiment).values() for path in places}
    for setting in context.params.get("overrides", ()):
        key, sign, _ = setting.partition("=")
        assert sign and key in paths | {"sweep.models"}, setting
