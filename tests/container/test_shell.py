"""The shell functions of a definition are read by every shell, and stand only where they are called."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from nsg_cluster.container.shell import FUNCTIONS, POST, SETUP, call, post_script


@pytest.mark.parametrize("shell", ["sh", "bash", "dash"])
def test_the_functions_are_good_grammar(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"missing here: {shell}")
    text = SETUP + POST + "".join(FUNCTIONS.values())
    subprocess.run([shell, "-n"], input=text, text=True, check=True)


def test_a_script_holds_the_functions_that_it_calls_and_no_others() -> None:
    text = "\n".join(post_script([call("nsg_folder", "/x")]))
    assert "nsg_folder()" in text
    assert "nsg_as()" not in text
