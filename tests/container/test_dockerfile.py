"""A Dockerfile's text becomes instructions; what is wrong with it is said with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.container.dockerfile import Instruction, parse
from nsg_cluster.core.errors import ContainerError

PATH = Path("Dockerfile")


def read(text: str | bytes) -> tuple[Instruction, ...]:
    return parse(text.encode() if isinstance(text, str) else text, PATH).instructions


def mistake(text: str | bytes) -> str:
    with pytest.raises(ContainerError) as caught:
        read(text)
    return str(caught.value)


def test_continuations_are_joined_past_comments_and_empty_lines_and_the_first_line_counts() -> None:
    text = "# first\nFROM x\n\nRUN a \\\n  # a comment\n\n  b \\ \n  c\nCMD d"
    assert [(each.line, each.keyword, each.text) for each in read(text)] == [
        (2, "FROM", "x"),
        (4, "RUN", "a   b   c"),
        (9, "CMD", "d"),
    ]


def test_two_escape_characters_at_the_end_of_a_line_do_not_continue_it() -> None:
    assert read("FROM x\nRUN echo \\\\\nRUN b")[1].text == "echo \\\\"


def test_the_escape_directive_holds_only_before_everything_else() -> None:
    assert read("# escape=`\nFROM x\nRUN a `\nb\\\nRUN c")[1].text == "a b\\"
    assert len(read("# a comment\n# escape=`\nFROM x\nRUN a `\nRUN b")) == 3


def test_flags_are_told_from_the_text() -> None:
    copied = read('FROM x\nCOPY --from=y --chmod=644 --exclude=a --exclude="b c" s --not-a-flag t')[1]
    assert copied.flag("from") == "y"
    assert copied.all_flags("exclude") == ["a", "b c"]
    assert copied.text == "s --not-a-flag t"


def test_the_json_form_holds_strings_with_double_quotes_only() -> None:
    assert read('FROM x\nCMD [ "a", "b \\" c" ]')[1].items == ["a", 'b " c']
    assert read("FROM x\nCMD ['a']")[1].items is None
    assert read("FROM x\nCMD [1]")[1].items is None


def test_heredocs_are_read_to_their_names() -> None:
    run, copy = read("FROM x\nRUN cat <<A <<-'B' > o\n1\nA\n\t2\n\tB\nCOPY <<C /c\n$v\nC")[1:]
    assert [(each.name, each.text, each.expands) for each in run.heredocs] == [
        ("A", "1\n", True),
        ("B", "\t2\n", False),
    ]
    assert run.heredocs[1].content == "2\n"
    assert copy.heredocs[0].text == "$v\n"
    assert read('FROM x\nRUN echo "<<A" a<<B $((1<<2))\nRUN b')[1].heredocs == ()


def test_a_byte_order_mark_and_windows_line_ends_are_read_and_noted() -> None:
    found = parse(b"\xef\xbb\xbfFROM x\r\nRUN a \\\r\n b\r\n", PATH)
    assert [each.text for each in found.instructions] == ["x", "a  b"]
    assert [line for line, _ in found.notes] == [1, 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM x\nRUM a", "Dockerfile:2: unknown instruction 'RUM'; allowed: ADD, ARG,"),
        ("FROM x\nRUM a", "Did you mean 'RUN'?"),
        ("FROM x\nRUN <<EOF\na\n", "Dockerfile:2: the heredoc 'EOF' does not end: a line with EOF alone is missing"),
        (b"FROM x\n\x7fELF\x00\x01", "Dockerfile:2: is not text: a Dockerfile is UTF-8 with no zero bytes"),
        (b"FROM x\nRUN \xff\xfe", "Dockerfile:2: is not text"),
        ("", "Dockerfile:1: holds no instruction; a Dockerfile begins with FROM"),
        ("# nothing\n", "Dockerfile:1: holds no instruction"),
        ("FROM x\nRUN", "Dockerfile:2: RUN says nothing; write what follows it"),
        (
            "FROM x\nCOPY --form=y a b",
            "COPY has no flag '--form'; allowed: --chown, --chmod, --link, --exclude, --from",
        ),
        ("FROM x\nCOPY --form=y a b", "Did you mean 'from'?"),
        ("FROM x\nWORKDIR --x a", "WORKDIR has no flag '--x'; allowed: none."),
        ("# escape=x\nFROM x", "Dockerfile:1: the escape character is a backslash or a backtick, not 'x'"),
    ],
)
def test_mistakes_are_said_in_a_sentence_with_the_line(text: str | bytes, said: str) -> None:
    assert said in mistake(text)


def test_all_mistakes_of_a_file_are_said_at_once() -> None:
    assert len(mistake("FROM x\nRUM a\nRUN\nCOPY --y a b").splitlines()) == 3
