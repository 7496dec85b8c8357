"""ENTRYPOINT and CMD make the runscript as Docker combines them; the conformance corpus runs them for real."""

from __future__ import annotations

import pytest

from nsg_cluster.container.startup import Startup, runscript


@pytest.mark.parametrize(
    ("startup", "lines"),
    [
        (
            Startup(entrypoint=("e", "a b"), command=("c",), workdir="/w", base_script=None),
            ["cd /w || exit", "[ $# -gt 0 ] || set -- c", "exec e 'a b' \"$@\""],
        ),
        (
            Startup(entrypoint=None, command=("python", "$x"), workdir=None, base_script=None),
            ["[ $# -gt 0 ] || set -- python '$x'", 'exec "$@"'],
        ),
    ],
)
def test_arguments_take_the_place_of_the_command_behind_the_entry_point(startup: Startup, lines: list[str]) -> None:
    assert runscript(startup) == lines


def test_without_an_entry_point_that_of_the_base_image_is_used() -> None:
    lines = runscript(Startup(entrypoint=None, command=("c",), workdir=None, base_script="/base"))
    assert lines[-3] == '[ ! -x /base ] || exec /base "$@"'
    assert lines[-1] == 'exec "$@"'
