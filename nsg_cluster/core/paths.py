"""Every file name of a site's storage and inside a run folder.

A run folder holds what was submitted; each of its tasks (one for each experiment of a sweep, ``0`` for a single
experiment) has a folder of its own. Nothing else in the package joins these names.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["CHECKOUT", "ObjectPaths", "RunPaths", "StoragePaths", "TaskPaths"]

CHECKOUT = "nsg_checkout.txt"


@dataclass(frozen=True, slots=True)
class TaskPaths:
    """Files of one task: ``<run>/tasks/<index>``."""

    root: Path
    results_root: Path | None = None
    """Folder for results while the task runs, if not its own; they are brought to its own from there."""

    @property
    def _results(self) -> Path:
        return self.results_root or self.root

    @property
    def results(self) -> tuple[Path, ...]:
        """What is made from checkpoints or for people's eyes; the marks that say from what it was made come last."""
        folders = (self.tensorboard, self.previews, self.evaluation, self.renders)
        return (*folders, self.refined_poses, self.metrics, self.stages)

    @property
    def spec(self) -> Path:
        """The resolved experiment, complete: enough to run it again."""
        return self.root / "spec.yaml"

    @property
    def status(self) -> Path:
        """Written by the host-side wrapper: state, times, process, signal, exit code, attempt."""
        return self.root / "status.json"

    @property
    def progress(self) -> Path:
        """Written by the running stage: stage, step, rates, newest metrics, time left."""
        return self.root / "progress.json"

    @property
    def cancelled(self) -> Path:
        """The tombstone: exists once a user has cancelled this task."""
        return self.root / "cancelled.json"

    @property
    def lock(self) -> Path:
        """Locked by the one process that may write here, which leaves its host and number in it."""
        return self.root / "lock"

    @property
    def stages(self) -> Path:
        """What each finished stage after training was made from, so that it is not repeated."""
        return self._results / "stages.json"

    @property
    def events(self) -> Path:
        """Scalars and notices over time, one JSON object a line."""
        return self.root / "events.jsonl"

    @property
    def log_out(self) -> Path:
        """Standard output of the task, appended across attempts."""
        return self.root / "log.out"

    @property
    def log_err(self) -> Path:
        """Standard error of the task, appended across attempts."""
        return self.root / "log.err"

    @property
    def environment(self) -> Path:
        """Versions, machine, device and kernels that the newest attempt ran with."""
        return self.root / "environment.json"

    @property
    def metrics(self) -> Path:
        """Metrics of the held-out views: means, and each view."""
        return self._results / "metrics.json"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.root / "checkpoints"

    @property
    def refined_poses(self) -> Path:
        """Cameras of the training images after their refinement, in the Blender format's words."""
        return self._results / "transforms_refined.json"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard event files."""
        return self._results / "tensorboard"

    @property
    def previews(self) -> Path:
        """Folder of pictures of one held-out view, made while training."""
        return self._results / "previews"

    @property
    def evaluation(self) -> Path:
        """Folder of held-out views: color, truth, error and depth images."""
        return self._results / "evaluation"

    @property
    def exports(self) -> Path:
        """Folder of meshes."""
        return self.root / "exports"

    @property
    def renders(self) -> Path:
        """Folder of frames and videos along camera paths."""
        return self._results / "renders"


@dataclass(frozen=True, slots=True)
class RunPaths:
    """Files of one run: ``<storage>/runs/<experiment>/<utc time>-<short id>``."""

    root: Path

    @property
    def spec(self) -> Path:
        """The experiment as submitted, resolved, its sweep not yet expanded."""
        return self.root / "spec.yaml"

    @property
    def record(self) -> Path:
        """Who, when, git commit and difference, site, job ids, token, name and hash of each task."""
        return self.root / "record.json"

    @property
    def script(self) -> Path:
        """What was submitted."""
        return self.root / "script.sh"

    @property
    def difference(self) -> Path:
        """What the program's sources differed by from the commit in the record."""
        return self.root / "source.diff"

    @property
    def lock(self) -> Path:
        """Locked by the one process that starts this run's tasks here, or hands them to a scheduler."""
        return self.root / "lock"

    @property
    def supervisor(self) -> Path:
        """Host, number and start time of that process."""
        return self.root / "supervisor.json"

    @property
    def orders(self) -> Path:
        """What a job is told beside the experiment: the program to start, the runs that must have succeeded."""
        return self.root / "orders.json"

    @property
    def jobs(self) -> Path:
        """What was handed to a scheduler: for each submission its token, its tasks and the number of its job."""
        return self.root / "jobs.json"

    @property
    def ends(self) -> Path:
        """What a scheduler has said of jobs that could not tell their ends themselves."""
        return self.root / "ends.json"

    @property
    def container(self) -> Path:
        """The image that its tasks run in, and how, where they do not run in the launcher's Python."""
        return self.root / "container.json"

    @property
    def source(self) -> Path:
        """Folder that holds the package as it was when the run was submitted."""
        return self.root / "source"

    @property
    def checkout(self) -> Path:
        """File beside that package which names the folder that it was copied from."""
        return self.source / CHECKOUT

    @property
    def submitit(self) -> Path:
        """Folder of submitit's own files."""
        return self.root / "submitit"

    def continued(self, job: str) -> Path:
        """Return the file that names the job which goes on with a job, where it has got another number."""
        return self.submitit / f"{job}_continued"

    def job_log(self, job: str) -> Path:
        """Return the log of the host side of a job, beside the logs of its task."""
        return self.submitit / f"{job}_0_log.err"

    @property
    def supervisor_log(self) -> Path:
        """Log of the process that starts this run's tasks on the local machine."""
        return self.root / "supervisor.log"

    @property
    def report(self) -> Path:
        """The self-contained HTML page."""
        return self.root / "report.html"

    @property
    def tasks(self) -> Path:
        """Folder that holds the task folders."""
        return self.root / "tasks"

    def task(self, index: int) -> TaskPaths:
        """Return the files of task ``index``."""
        return TaskPaths(self.tasks / str(index))


@dataclass(frozen=True, slots=True)
class ObjectPaths:
    """Files of the data set that was rendered from a 3D model: the Blender format, and what goes beyond it."""

    root: Path

    @property
    def record(self) -> Path:
        """What was rendered with which settings, whether it is complete, and where the model stands in the world."""
        return self.root / "objects.json"

    @property
    def lock(self) -> Path:
        """Locked by the process that renders here."""
        return self.root / "lock"

    def transforms(self, split: str) -> Path:
        """Return the cameras of a split."""
        return self.root / f"transforms_{split}.json"

    def image(self, split: str, index: int) -> Path:
        """Return the picture of a view."""
        return self.root / split / f"r_{index:03d}.png"

    def depth(self, split: str, index: int) -> Path:
        """Return the distances along the rays of a view."""
        return self.root / split / f"r_{index:03d}_depth.npy"

    def normal(self, split: str, index: int) -> Path:
        """Return the normals of a view."""
        return self.root / split / f"r_{index:03d}_normal.png"


@dataclass(frozen=True, slots=True)
class StoragePaths:
    """Files of a site's storage."""

    root: Path

    @property
    def runs(self) -> Path:
        """Folder that holds a folder for each experiment, which holds its runs."""
        return self.root / "runs"

    @property
    def images(self) -> Path:
        """Folder of container images and their manifests."""
        return self.root / "images"

    def run(self, experiment: str, name: str) -> RunPaths:
        """Return the files of a run by its experiment and the name of its folder."""
        return RunPaths(self.runs / experiment / name)
