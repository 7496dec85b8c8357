"""YAML as people mean it, with the line of everything, and every way in which a file can be wrong."""

from __future__ import annotations

import math
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsg_cluster.core.documents import Place, YamlDocument, dump_yaml, read_yaml, read_yaml_value
from nsg_cluster.core.errors import ConfigError


def document(folder: Path, text: str | bytes) -> YamlDocument:
    path = folder / "x.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_yaml(path)


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        document(folder, text)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-3", 0.001),
        ("1e5", 100_000),
        ("1.5e3", 1500),
        ("-2E+2", -200),
        ("1.", 1.0),
        (".5", 0.5),
        ("1_000", 1000),
        ("0x10", 16),
        ("-0", 0),
        ("007", "007"),
        ("010", "010"),
        ("1:30:00", "1:30:00"),
        ("2026-11-21", "2026-11-21"),
        ("=", "="),
        ("'1e-3'", "1e-3"),
        ("!!str 5", "5"),
        ("no", False),
        ("~", None),
        ("", None),
        (".inf", math.inf),
        ("1e400", math.inf),
        ("12e03x", "12e03x"),
        ("a: b", {"a": "b"}),
    ],
)
def test_a_scalar_is_what_its_writer_means(written: str, value: Any) -> None:
    found, _, _ = read_yaml_value(written, "here")
    assert found == value
    assert type(found) is type(value)


def test_keys_are_the_words_that_were_written(tmp_path: Path) -> None:
    assert document(tmp_path, "on: 1\n007: 2\n2026-11-21: 3\nnull: 4\n").mapping == {
        "on": 1,
        "007": 2,
        "2026-11-21": 3,
        "null": 4,
    }


def test_every_value_has_a_line(tmp_path: Path) -> None:
    found = document(tmp_path, "# comment\na:\n  b:\n  - 1\n  - c: {d: 2,\n        e: 3}\n")
    lines = {path: place.line for path, place in found.places.items()}
    assert lines == {
        (): 2,
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "b", 0): 4,
        ("a", "b", 1): 5,
        ("a", "b", 1, "c"): 5,
        ("a", "b", 1, "c", "d"): 5,
        ("a", "b", 1, "c", "e"): 6,
    }
    assert found.place(("a", "b", 7, "z")) == Place(str(tmp_path / "x.yaml"), 3), "the nearest thing around it"


def test_anchors_aliases_and_merge_keys_work(tmp_path: Path) -> None:
    text = "base: &b {x: 1, y: {z: 2}}\nlist: [*b]\nmore:\n  x: 5\n  <<: *b\nmost: {<<: [{x: 7}, *b]}\n"
    found = document(tmp_path, text)
    assert found.mapping["list"] == [{"x": 1, "y": {"z": 2}}]
    assert found.mapping["more"] == {"x": 5, "y": {"z": 2}}
    assert found.mapping["most"] == {"x": 7, "y": {"z": 2}}
    assert found.place(("more", "x")).line == 4
    assert found.place(("more", "y", "z")).line == 1


def test_keys_given_twice_are_all_refused_with_both_lines(tmp_path: Path) -> None:
    said = refusal(tmp_path, "a: 1\nb: {c: 1, 'c': 2}\na: 2\n")
    assert said.splitlines() == [
        "x.yaml:2: b.c: the key is given twice, first in line 2",
        "x.yaml:3: a: the key is given twice, first in line 1",
    ]


def test_several_mistakes_can_be_collected_and_reading_goes_on(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: 1\na: 2\nb: !!python/name:os.system x\n")
    problems: list[tuple[Place, str]] = []
    assert read_yaml(tmp_path / "x.yaml", problems=problems).mapping == {"a": 2, "b": "x"}
    assert [(place.line, text.split(":")[0]) for place, text in problems] == [(2, "a"), (3, "b")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x.yaml: is empty; write 'key: value' lines"),
        ("# only a comment\n", "x.yaml: is empty; write 'key: value' lines"),
        ("- a\n", "x.yaml:1: holds a list; write 'key: value' lines at the top level"),
        ("\n\nword\n", "x.yaml:3: holds one value; write 'key: value' lines at the top level"),
        ("a: 1\n---\nb: 2\n", "x.yaml:2: a second document begins here; keep one document a file"),
        ("a:\n\tb: 1\n", "x.yaml:2: is not valid YAML: .*; indent with spaces, not with tabs"),
        ("a: b: c\n", "x.yaml:1: is not valid YAML: mapping values are not allowed"),
        ("a: [1, 2\nb: 3\n", r"x.yaml:2: is not valid YAML: while parsing a flow sequence"),
        ("a: *nowhere\n", "x.yaml:1: is not valid YAML: .*undefined alias"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", r"x.yaml:1: is not text in UTF-8 \(byte 0x89\); save the file as UTF-8"),
        (b"a: 1\nb: \xe4\n", r"x.yaml:2: is not text in UTF-8 \(byte 0xe4\)"),
        ("a: 1\n".encode("utf-16"), r"x.yaml:1: is not text in UTF-8 \(byte 0xff\)"),
        (b"ELF\x00\x01", "x.yaml: is a binary file; name a YAML file"),
        (b"a: \x01\n", "x.yaml.*: is not valid YAML: .*characters are not allowed"),
        (b"#" * (1 << 20) + b"#", "x.yaml: is larger than 1 MiB; that is not a configuration"),
        (
            "a: !!python/object/apply:os.system ['x']",
            "x.yaml:1: a: the tag !!python/object/apply:os.system is not allowed",
        ),
        ("a: !!binary aGk=", "x.yaml:1: a: the tag !!binary is not allowed; write plain values"),
        ("a: !mine {b: 1}", "x.yaml:1: a: the tag !mine is not allowed"),
        ("a: !!bool perhaps", "x.yaml:1: a: 'perhaps' is no bool"),
        (f"a: {'9' * 5000}", "x.yaml:1: a: '9{40}' is no int"),
        ("? [a, b]\n: 1\n", "x.yaml:1: the document: a key must be a word, not a list or a mapping"),
        ("a:\n  <<: 3\n", "x.yaml:2: a.<<: must name a mapping"),
        ("a: &x\n  b: *x\n", "x.yaml:2: a.b: an alias that holds itself"),
        ("a: " + "[" * 60 + "]" * 60, "x.yaml: is nested more than 48 levels deep"),
        ("a: " + "[" * 200_000, "x.yaml: is nested more than 48 levels deep"),
        (
            "".join(f"a{n}: &a{n} [{f'*a{n - 1}' if n else 1}]\n" for n in range(60)),
            "x.yaml:.* nested more than 48 levels",
        ),
        ("a: " + "{a: " * 5_000 + "}" * 5_000, "x.yaml: is nested more than 48 levels deep"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_in_one_sentence(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    found = refusal(tmp_path, text)
    assert re.match(said, found), found
    assert "\n" not in found


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    assert document(tmp_path, b"\xef\xbb\xbfa: 1\n").mapping == {"a": 1}


def test_aliases_that_multiply_are_stopped_early(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    began = time.process_time()
    assert "has more than 50000 values once its aliases are expanded" in refusal(tmp_path, "\n".join(lines))
    assert time.process_time() - began < 5


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").write_text("a: 1")
    files: list[tuple[Path | str, str]] = [
        (tmp_path / "quikstart.yaml", f"no such file. Did you mean '{tmp_path}/quickstart.yaml'?"),
        (tmp_path / "absent" / "x.yaml", "no such file."),
        (tmp_path, "is a folder; name a YAML file in it"),
        (tmp_path / "quickstart.yaml" / "x", "cannot be read: Not a directory"),
        # Not even root reads the beginning of its own memory.
        ("/proc/self/mem", "cannot be read: Input/output error"),
        ("/dev/zero", "is larger than 1 MiB; that is not a configuration"),
        (tmp_path / ("x" * 300), "cannot be read: File name too long"),
        ("a\0b", "cannot be read: embedded null byte"),
        ("a\nb\x1b", "no such file."),
    ]
    for path, said in files:
        with pytest.raises(ConfigError) as caught:
            read_yaml(path)
        assert str(caught.value).endswith(said)
        assert "\n" not in str(caught.value)
        assert "\x1b" not in str(caught.value)


TRAPS = [
    "1e5",
    "1e-3",
    "yes",
    "~",
    "null",
    "007",
    "1:30",
    "0x1",
    "=",
    "<<",
    "1_0",
    ".5",
    "",
    " a",
    "a ",
    "#",
    "- a",
    "a: b",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(TRAPS)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text("ab.=~1", min_size=1), inner), max_leaves=8
)


@given(VALUES)
def test_what_is_written_reads_back_equal(value: Any) -> None:
    found, _, _ = read_yaml_value(dump_yaml({"value": value}), "here")
    assert found == {"value": value}
    assert repr(found) == repr({"value": value}), "types too"
