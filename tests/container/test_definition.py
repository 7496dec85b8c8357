"""A definition is text that Singularity reads as it is meant."""

from __future__ import annotations

from pathlib import Path

from nsg_cluster.container.definition import SECTION_BYTES
from tests.container.converting import converted


def sections(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line.lstrip().startswith("%")]


def test_text_of_the_dockerfile_opens_no_section_and_no_stage_and_is_no_template(tmp_path: Path) -> None:
    text = converted(tmp_path, "FROM x\nRUN <<E\n%files\n  %post\nBootstrap: y\n{{ z }}\nE\nCMD echo '{{ z }}'\n").text
    assert sections(text) == ["%post", "%runscript", "%startscript"]
    assert text.count("Bootstrap:") - text.count("''Bootstrap:") == 1
    assert "{{" not in text


def test_long_scripts_are_parted_because_singularity_reads_no_more_at_once(tmp_path: Path) -> None:
    text = converted(tmp_path, "FROM x\n" + "".join(f"RUN echo {'x' * 1000}\n" for _ in range(200))).text
    parts = text.split("\n%post\n")
    assert len(parts) > 4
    assert max(len(part.encode()) for part in parts) < SECTION_BYTES + 2000


def test_long_lists_of_files_are_parted_too(tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(1500):
        (tmp_path / "many" / f"{number:060}").touch()
    (tmp_path / ".dockerignore").write_text("*\n!many\n")
    text = converted(tmp_path, "FROM x\nCOPY many /many\n").text
    assert max(len(part.encode()) for part in text.split("\n%setup\n")) < SECTION_BYTES + 2000
    assert text.count("many/000") == 1500


def test_empty_lines_of_a_heredoc_stay(tmp_path: Path) -> None:
    assert "one\n\n\ntwo\n" in converted(tmp_path, "FROM x\nRUN <<E\none\n\n\ntwo\nE\n").text
