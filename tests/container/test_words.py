"""Words are expanded as Docker does, and what only the base image knows is left to the shell."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsg_cluster.container.quoting import protect, quote
from nsg_cluster.container.words import Reference, Value, WordError, expand, literal, shell_word

KNOWN = {"A": "one", "EMPTY": "", "PATHS": "/a/b:/c", "AB": "longer"}


def lookup(name: str) -> Value | None:
    if name.startswith("BASE"):
        return (Reference(name),)
    return (KNOWN[name],) if name in KNOWN else None


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("$A", "one"),
        ("${A}B", "oneB"),
        ("$AB-$A", "longer-one"),
        ("$NONE", ""),
        (r"\$A", "$A"),
        ("'$A'", "$A"),
        ('"$A \'x\' \\"y\\""', "one 'x' \"y\""),
        (r"a\ b", "a b"),
        ("a$", "a$"),
        ("$ b", "$ b"),
        ("${NONE:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${A:+set}", "set"),
        ("${NONE+set}", ""),
        ("${NONE:-${NONE:-$A}}", "one"),
        ("${PATHS%%:*}", "/a/b"),
        ("${PATHS#*/}", "a/b:/c"),
        ("${PATHS##*/}", "c"),
        ("${PATHS%/*}", "/a/b:"),
        ("${PATHS/a/x}", "/x/b:/c"),
        ("${PATHS//\\//-}", "-a-b:-c"),
    ],
)
def test_words_are_expanded(word: str, value: str) -> None:
    assert literal(expand(word, lookup)) == value


@pytest.mark.parametrize(
    ("word", "shell"),
    [
        ("$BASE", '"${BASE}"'),
        ("/opt/$A:$BASE", '"/opt/one:${BASE}"'),
        ("${BASE:-$A x}", '"${BASE:-one x}"'),
        ('a"$BASE\'"\\$', '"a${BASE}\'\\$"'),
    ],
)
def test_variables_of_the_base_image_are_left_to_the_shell(word: str, shell: str) -> None:
    assert shell_word(expand(word, lookup)) == shell


@pytest.mark.parametrize("word", ["'a", '"a', "${A", "${}", "${NONE:?gone}", "${A=1}", "${BASE/x/y}"])
def test_words_that_are_not_well_formed_are_refused(word: str) -> None:
    with pytest.raises(WordError):
        expand(word, lookup)


TRAPS = st.text(alphabet="'\"\\$`{}%\n ab#:", max_size=30) | st.sampled_from(
    ["\nBootstrap: x", "{{{ x }}}", "a\n  %post"]
)


@given(TRAPS)
def test_a_quoted_text_is_the_text_to_a_shell_and_nothing_to_singularity(text: str) -> None:
    word = f"x{quote(text)}"
    done = subprocess.run(["sh", "-c", f"printf %s {word}"], capture_output=True, text=True, check=True)
    assert done.stdout == f"x{text}"
    assert "{{" not in word
    assert not any(line.lstrip().lower().startswith(("%", "bootstrap:")) for line in word.splitlines()[1:])


def test_traps_inside_double_quotes_are_broken_by_double_quotes() -> None:
    assert protect("{{a}}\n%b", '""') == '{""{a}}\n""%b'
