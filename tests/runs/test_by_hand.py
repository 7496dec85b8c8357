"""`nsg_cluster.runs.by_hand`: the scripts of ``jobs/``, as they are kept, and under the schedulers."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from nsg_cluster.core.paths import StoragePaths
from nsg_cluster.runs.by_hand import JOBS, all_scripts
from nsg_cluster.runs.find import all_runs
from tests.clusters.cluster import Cluster, wait_until
from tests.clusters.fixtures import cluster, clusters, gridengine
from tests.clusters.interpreter import CHECKOUT, interpreter
from tests.containers.bases import Base
from tests.containers.engines import Engines
from tests.containers.fixtures import engines, tiny
from tests.contract.runs import FAKE, SPEC

__all__ = ["cluster", "clusters", "engines", "gridengine", "tiny"]
# Site whose scripts a scheduler runs here, and what the node lacks beside the site's own.
SITES = {
    "gridengine": ("abci2", {"SGE_LOCALDIR": "{work}/scratch"}),
    "slurm": ("slurm", {}),
    "pbs": ("abci3", {"PBS_LOCALDIR": "{work}/scratch"}),
}


def test_the_scripts_are_those_that_make_jobs_writes() -> None:
    kept = {path.relative_to(JOBS): path.read_text() for path in JOBS.rglob("*.sh")}
    assert kept == all_scripts(), "run: make jobs"


@pytest.mark.parametrize("path", sorted(all_scripts()), ids=str)
def test_a_script_is_bash_and_tells_how_to_submit_it(path: Path) -> None:
    done = subprocess.run(["bash", "-n", str(JOBS / path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    text = (JOBS / path).read_text()
    assert re.search(rf"^#   (qsub|sbatch) .*jobs/{path}$", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 120


class Desk:
    """A folder that scripts are submitted from, as an ordinary user; training is a fake."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.work = cluster, cluster.work()
        kind = "pbs" if "pbs" in cluster.name else cluster.name
        site, self.variables = SITES[kind]
        self.scripts = JOBS / site
        self.kind = kind
        cluster.account.folder(self.work / "scratch")
        (self.work / "launch.py").symlink_to(CHECKOUT / "launch.py")
        self.modules = cluster.account.write(self.work / "modules.sh", 'module() { echo "modules: $*"; }\n')
        self.storage = StoragePaths(cluster.account.folder(self.work / "storage"))
        cluster.account.write(self.work / "tiny.yaml", SPEC.format(description="''", steps=5, walltime="null"))

    def submit(self, name: str, **variables: str) -> None:
        shared = {"PYTHON": str(interpreter(self.cluster.account)), "PYTHONPATH": str(FAKE), "NSG_GROUP": "gaa50000"}
        given = {**shared, "NSG_STORAGE": str(self.storage.root), **self.variables, **variables}
        pairs = ",".join(f"{key}={value.format(work=self.work)}" for key, value in given.items())
        # This machine has no modules, and its Grid Engine no pieces without a GPU; nothing else is changed.
        text = (self.scripts / f"{name}.sh").read_text().replace("/etc/profile.d/modules.sh", str(self.modules))
        text = text.replace("-l rt_C.small=1", "-l rt_G.small=1")
        script = str(self.cluster.account.write(self.work / f"{name}.sh", text, 0o755))
        if self.kind == "slurm":
            argv = ["sbatch", "--output=/dev/null", f"--export=ALL,{pairs}", script]
        else:
            argv = ["qsub", *(["-g", "gaa50000"] if self.kind == "gridengine" else ["-P", "gaa50000"]), "-v", pairs]
            argv += [*(["-cwd"] if self.kind == "gridengine" else []), script]
        self.cluster.run(*argv, cwd=self.work)

    def log(self, name: str, count: int = 1) -> str:
        """Wait for a job to say something last."""
        logs = self.work / "logs"
        wait_until(f"{count} logs of {name}", lambda: len(list(logs.glob(f"{name}.*.log"))) == count, timeout_s=60)
        return max(logs.glob(f"{name}.*.log"), key=lambda path: path.stat().st_mtime_ns).read_text()


def test_a_run_is_trained_and_rendered_by_hand(cluster: Cluster) -> None:
    desk = Desk(cluster)
    desk.submit("train", EXPERIMENT="tiny.yaml", SETTINGS="seed=3 train.steps=7")

    def status() -> dict[str, object]:
        runs = all_runs(desk.storage)
        return dict(json.loads(runs[0].task(0).status.read_text())) if runs else {}

    wait_until("the end of training", lambda: status().get("state") == "succeeded", timeout_s=90)
    (run,) = all_runs(desk.storage)
    assert json.loads(run.task(0).progress.read_text())["steps"] == 7
    assert "walltime: 11h55m" in run.task(0).spec.read_text()
    assert "training tiny" in desk.log("train")
    rendered = run.task(0).renders / "orbit.txt"
    rendered.unlink()
    desk.submit("render", RUN=run.root.name[-6:], SETTINGS="name=again")
    wait_until("the rendering", rendered.exists, timeout_s=60)
    wait_until("its name", lambda: str(rendered) in desk.log("render"))


def test_an_image_is_built_by_hand(cluster: Cluster, engines: Engines, tiny: Base) -> None:
    desk = Desk(cluster)
    cluster.account.write(
        cluster.account.folder(desk.work / "docker") / "Dockerfile", "FROM busybox\nRUN id -u > /by\n"
    )
    path = f"{engines.env['PATH']}:{cluster.env['PATH']}"
    # Grid Engine gives a job a PATH of its own; there a module brings Apptainer.
    cluster.account.write(desk.modules, f"module() {{ PATH={path}; }}\n")
    settings = f"--base busybox={tiny.sif} --name by-hand"
    desk.submit("build", SETTINGS=settings, PATH=path, APPTAINER_CACHEDIR=engines.env["APPTAINER_CACHEDIR"])
    wait_until(
        "its last line", lambda: bool(re.search("^(built|error)", desk.log("build"), re.MULTILINE)), timeout_s=180
    )
    assert "error" not in desk.log("build"), desk.log("build")
    (image,) = (desk.storage.root / "images").glob("*.sif")
    assert desk.log("build").splitlines()[-1] == f"built {image}"
    assert engines.check("apptainer", "exec", image, "cat", "/by") == "0\n"


def test_a_variable_that_is_not_set_ends_the_job_before_anything_runs(gridengine: Cluster) -> None:
    desk = Desk(gridengine)
    desk.variables = {}
    desk.submit("train", EXPERIMENT="tiny.yaml")
    wait_until("its complaint", lambda: "SGE_LOCALDIR: is not set in this job." in desk.log("train"))
    assert not all_runs(desk.storage)
