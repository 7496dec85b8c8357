"""Our path builds what Docker's builds: each Dockerfile of the corpus, by Buildah and by converter and Apptainer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.containers.bases import Base
from tests.containers.conformance import Conformance, names
from tests.containers.engines import Engines


@pytest.fixture(scope="module")
def conformance(engines: Engines, tiny: Base) -> Iterator[Conformance]:
    if not engines.has_many_users():
        pytest.skip(f"missing here: a range of user numbers for {engines.account.name} in /etc/subuid and /etc/subgid")
    made = Conformance(engines, tiny)
    yield made
    made.close()


@pytest.mark.parametrize("name", names())
def test_an_image_is_the_same_by_both_ways_or_is_refused_with_a_reason(conformance: Conformance, name: str) -> None:
    result = conformance.compare(name)
    assert result.kind == ("refused" if name.startswith("refused_") else "passed"), "\n".join(result.reasons)
    if result.kind == "refused":
        assert all(f"{name}.Dockerfile:2: " in reason or ":1: " in reason for reason in result.reasons)


def test_the_corpus_is_large() -> None:
    assert len(names()) >= 60
