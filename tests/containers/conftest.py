"""The engines and bases for the tests of this folder."""

from tests.clusters.fixtures import clusters, once  # noqa: F401
from tests.containers.fixtures import *  # noqa: F403
