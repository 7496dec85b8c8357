"""What a job finds at its node, with every scheduler, for real: secrets that nobody sees, and scratch."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import RunPaths
from tests.clusters.fixtures import KINDS
from tests.contract.cluster import SITES, Users
from tests.contract.person import UserOfCluster

TOKEN = "hf_plantedT0ken"
# What schedulers show to everybody who asks.
SHOWN = {
    "slurm": (
        ["scontrol", "show", "job", "-dd", "{job}"],
        ["squeue", "-j", "{job}", "-O", "ALL:500"],
        ["sacct", "-P", "-o", "ALL", "-j", "{job}"],
        ["scontrol", "write", "batch_script", "{job}", "-"],
    ),
    "gridengine": (["qstat", "-j", "{job}"], ["qstat", "-ext", "-xml"], ["qstat", "-r"]),
    "pbs": (["qstat", "-x", "-f", "-F", "json", "{job}"], ["qstat", "-f", "{job}"]),
}


@pytest.fixture(params=list(KINDS))
def person(request: pytest.FixtureRequest, users: Users) -> Iterator[UserOfCluster]:
    """Return an ordinary user of each cluster in turn, whose site has secrets and scratch."""
    cluster, server = users(request.param)
    root = cluster.work()
    secrets = cluster.account.write(root / "secrets", f"HF_TOKEN={TOKEN}\n", 0o600)
    more = f"secrets: {secrets}\nscratch: {root}/disk/$NSG_JOB_ID\n"
    site = cluster.account.write(root / "site.yaml", f"name: cluster\nstorage: /nowhere\n{SITES[request.param]}{more}")
    found = UserOfCluster(root=root, site=str(site), cluster=cluster, server=server)
    yield found
    found.end_everything()


def shown(person: UserOfCluster, job: str) -> str:
    """Return what the scheduler shows of a job, and the arguments of all processes."""
    kind = "pbs" if "pbs" in person.cluster.name else person.cluster.name
    said = [person.cluster.run(*(word.format(job=job) for word in argv)) for argv in SHOWN[kind]]
    return "\n".join([*said, subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout])


def holding(*folders: Path) -> list[Path]:
    """Return the files that hold the token."""
    found = []
    places = (Path(place, name) for folder in folders for place, _, names in os.walk(folder) for name in names)
    for path in places:
        with suppress(FileNotFoundError):  # the scheduler removes files of jobs that have ended
            if path.is_file() and not path.is_symlink() and TOKEN.encode() in path.read_bytes():
                found.append(path)
    return found


def test_nobody_sees_a_secret_but_the_program_that_computes(person: UserOfCluster) -> None:
    run = person.submit(description="digest HF_TOKEN", steps=100)
    person.wait_for_step(run)
    status = read_json(run.task(0).status)
    assert TOKEN not in shown(person, status["job_id"])
    host_side = Path(f"/proc/{status['pid']}/environ").read_bytes()
    assert b"NSG_SECRETS=" in host_side and TOKEN.encode() not in host_side
    stage = person.stage_process(run)
    assert f"HF_TOKEN={TOKEN}".encode() in Path(f"/proc/{stage}/environ").read_bytes()
    # The spools of the scheduler hold its copies of scripts and environments.
    spools = [] if "host" in person.cluster.name else [person.cluster.root]
    assert holding(person.root, *spools) == [person.root / "secrets"]
    person.type("cancel", str(run.root))
    assert hashlib.sha256(TOKEN.encode()).hexdigest() in run.task(0).log_out.read_text()
    assert holding(person.root, *spools) == [person.root / "secrets"]


def test_a_file_of_secrets_that_others_may_read_is_refused(person: UserOfCluster) -> None:
    (person.root / "secrets").chmod(0o640)
    with pytest.raises(Exception, match="chmod 600"):
        person.submit()


def test_data_and_results_pass_through_scratch_in_every_attempt(person: UserOfCluster) -> None:
    data = person.folder(person.root / "data")
    person.write(data / "transforms_train.json", "{}")
    # Slurm lets a job that is queued again wait for two minutes: there one attempt must do.
    is_cut = person.cluster.name != "slurm"
    # Twelve seconds until the warning: at most 240 steps in each attempt.
    file = person.spec(description="reads", steps=300, walltime="16s" if is_cut else "null")
    made = next(line for line in file.read_text().splitlines() if line.startswith("data:"))
    person.write(file, file.read_text().replace(made, f"data: {{kind: blender, root: {data}}}"))
    argv = ["submit", str(file), "resources.scratch={data: true, results: true}", "--site", person.site, "--detach"]
    run = RunPaths(Path(json.loads(person.type(*argv, "--json"))["folder"]))
    person.runs.append(run)
    row = person.wait(run)
    assert row["state"] == "succeeded", row
    attempts = row["tasks"][0]["attempt"]
    reads = [line for line in run.task(0).log_out.read_text().splitlines() if line.startswith("reads")]
    assert len(reads) == attempts and (attempts >= 2) == is_cut
    assert all(f"in {person.root}/disk/" in line and "transforms_train.json" in line for line in reads)
    assert len(list(run.task(0).previews.iterdir())) == attempts
    assert (run.task(0).renders / "orbit.txt").exists()
    assert not list((person.root / "disk").rglob("nsg-*")), "nothing is left behind"
