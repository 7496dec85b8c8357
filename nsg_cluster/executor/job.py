"""What a job of ours starts: ``python -m nsg_cluster.executor.job FOLDER`` runs one of submitit's pickles.

The same as submitit's own program, but it knows the environments of our schedulers where the package is only on the
search path and not installed, so that no plugin is found; for Slurm it puts ours in the place of submitit's.
"""

from __future__ import annotations

import sys
from typing import Any, cast

from submitit.core import plugins, submission

from nsg_cluster.executor.gridengine import GridEngineJobEnvironment
from nsg_cluster.executor.pbs import PbsJobEnvironment
from nsg_cluster.executor.slurm import SlurmJobEnvironment

__all__ = ["main"]


def main(argv: list[str] | None = None) -> None:
    """Run the pickle of this job."""
    (folder,) = sys.argv[1:] if argv is None else argv
    # A mapping for readers, and the dictionary that submitit looks environments up in.
    environments = cast("dict[str, Any]", plugins.get_job_environments())
    for kind in (GridEngineJobEnvironment, PbsJobEnvironment, SlurmJobEnvironment):
        environments[kind.name()] = kind()
    submission.process_job(folder)


if __name__ == "__main__":
    main()
