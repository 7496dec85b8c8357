"""What a user is told."""

from __future__ import annotations

import errno
import os

import pytest

from nsg_cluster.core.errors import RunError, cure_of, reason_of, refusals_told


def test_what_a_file_system_refuses_is_a_sentence_wherever_it_is_met() -> None:
    told = pytest.raises(RunError, match=r"^/data/lego: Permission denied: ask its owner for permission, or name ")
    with told, refusals_told():
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/data/lego")


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EACCES, "not about a file"), FileNotFoundError(errno.ENOENT, "a fault", "/x")]
)
def test_other_errors_of_the_system_stay_faults_of_ours(error: OSError) -> None:
    with pytest.raises(type(error)), refusals_told():
        raise error


def test_a_reason_has_neither_the_number_nor_the_path_of_the_systems_error() -> None:
    assert reason_of(IsADirectoryError(errno.EISDIR, "Is a directory", "/x")) == "Is a directory"
    assert reason_of(ValueError("not a number")) == "not a number"


def test_a_file_that_may_not_be_read_need_not_be_copied_again() -> None:
    assert cure_of(PermissionError(errno.EACCES, "Permission denied", "/x"), "copy it again").startswith(
        "ask its owner"
    )
    assert cure_of(OSError("image file is truncated"), "copy it again") == "copy it again"
