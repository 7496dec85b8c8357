"""The process of one submission: server and node."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.clusters.fake_pbs.store import SERVER, Job, Store

CPUS = 192
QUEUE_S, PRERUN_S, EXIT_S, KILL_S = 0.2, 0.1, 0.2, 2.0


def serve(store: Store, name: str) -> int:
    """Be server and node for one submission."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if not startable(store, name):
        return 0
    with store.jobs() as jobs:
        elements = [key for key in jobs if jobs[key].get("array_id") == name]
    if not elements:
        run_job(store, name)
        return 0
    time.sleep(QUEUE_S)
    if store.get(name)["job_state"] != "F":
        store.change(name, job_state="B", substate=70, stime=time.time(), comment="Job Array Began")
    running: dict[int, str] = {}
    limit = store.get(name)["limit"]
    while elements or running:
        while elements and len(running) < limit and not is_deleted(store, name):
            element = elements.pop(0)
            running[fork(store, element)] = element
        if not running:
            break
        pid, _ = os.wait()
        running.pop(pid, None)
    finish_array(store, name)
    return 0


def fork(store: Store, element: str) -> int:
    pid = os.fork()
    if pid == 0:
        run_job(store, element)
        os._exit(0)
    return pid


def startable(store: Store, name: str) -> bool:
    """Wait for what a job depends on and for its release; say whether it is ever to start."""
    while True:
        job = store.get(name)
        if job["job_state"] == "F":
            return False
        if int(re.search(r"ncpus=(\d+)|$", job["select"])[1] or 1) > CPUS:  # type: ignore[index]
            store.change(name, comment=f"Can Never Run: Insufficient amount of resource: ncpus (R: 999 A: {CPUS})")
        elif job["depend"]:
            verdict = dependency(store, job["depend"])
            if verdict is None:
                end_job(store, name, substate=92)
                return False
            waits = {"job_state": "H", "substate": 22}
            store.change(name, **({"job_state": "Q", "substate": 10, "depend": ""} if verdict else waits))
        elif job["job_state"] == "Q":
            return True
        time.sleep(0.1)


def dependency(store: Store, text: str) -> bool | None:
    """Return whether jobs have ended as wanted; ``None`` where they never will."""
    kind, *names = text.split(":")
    with store.jobs() as jobs:
        found = [jobs.get(name) or jobs.get(f"{name}.{SERVER}") for name in names]
    if any(job is None for job in found):
        return None
    ended = [job for job in found if job and job["job_state"] == "F"]
    if kind == "afterok" and any(job.get("Exit_status") != 0 for job in ended):
        return None
    return len(ended) == len(found)


def run_job(store: Store, name: str) -> None:
    """Run one job or element to its end."""
    time.sleep(QUEUE_S)
    with store.jobs() as jobs:
        job = jobs[name]
        if job["job_state"] in {"F", "X"}:
            return
        comment = f"Job run at Sat Nov 21 at 03:54 on ({SERVER}:ncpus=1)"
        job.update(job_state="R", substate=41, stime=time.time(), comment=comment, run_count=job["run_count"] + 1)
    time.sleep(PRERUN_S)
    script, output = store.folder / f"{job.get('array_id', name)}.SC", store.folder / f"{name}.OU"
    with output.open("wb") as out:
        argv = ["/bin/bash", str(script)]
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment(name, job),
            cwd=os.environ["HOME"],
            start_new_session=True,
        )
        store.change(name, substate=42, session_id=process.pid)
        status = wait(store, name, process, job, out.fileno())
    store.change(name, job_state="E", substate=50)
    time.sleep(EXIT_S)
    deliver(job["output"], name, output)
    end_job(store, name, **status)


def environment(name: str, job: Job) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("HOME", "USER", "LOGNAME", "LC_ALL") if key in os.environ}
    own = {"PBS_JOBID": name, "PBS_JOBNAME": job["Job_Name"], "PBS_ENVIRONMENT": "PBS_BATCH", "PBS_QUEUE": job["queue"]}
    if "array_index" in job:
        own |= {"PBS_ARRAY_INDEX": str(job["array_index"]), "PBS_ARRAY_ID": job["array_id"]}
    own |= {"PBS_O_WORKDIR": job["workdir"], "PBS_O_HOST": SERVER, "PATH": os.environ["PATH"]}
    return {**kept, **own, **job["variables"]}


def is_deleted(store: Store, name: str) -> bool:
    return (store.folder / f"{name}.delete").exists()


def wait(store: Store, name: str, process: subprocess.Popen[bytes], job: Job, out: int) -> Job:
    """Wait for the end of a job, kill it at its limit or on request, and return how it ended."""
    began, walltime_s = time.monotonic(), job["walltime_s"]
    killed: str | None = None
    deadline = began + walltime_s
    while process.poll() is None:
        now = time.monotonic()
        if killed is None and (is_deleted(store, name) or is_deleted(store, job.get("array_id", name))):
            killed, deadline = "qdel", now + KILL_S
            terminate(process, signal.SIGTERM)
        elif now > deadline and killed is None:
            os.write(out, f"=>> PBS: job killed: walltime {walltime_s + 2} exceeded limit {walltime_s}\n".encode())
            killed, deadline = "walltime", now + KILL_S
            terminate(process, signal.SIGTERM)
        elif now > deadline:
            terminate(process, signal.SIGKILL)
        time.sleep(0.05)
    code = process.returncode
    comment = job["comment"]
    if killed == "walltime":
        return {"substate": 93, "Exit_status": -29, "comment": f"{comment} and exceeded resource walltime"}
    status = code if code >= 0 else 256 - code
    if killed == "qdel":
        return {"substate": 91, "Exit_status": status, "comment": f"{comment} and terminated by me@{SERVER}"}
    word = "finished" if status == 0 else "failed"
    return {"substate": 92 if status == 0 else 93, "Exit_status": status, "comment": f"{comment} and {word}"}


def terminate(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def deliver(target: str, name: str, output: Path) -> None:
    """Copy what a job printed to where it was asked for, after its end."""
    if not target:
        return
    path = Path(target)
    with contextlib.suppress(OSError):
        (path / output.name if target.endswith("/") or path.is_dir() else path).write_bytes(output.read_bytes())


def end_job(store: Store, name: str, **status: Any) -> None:
    store.change(name, job_state="F", mtime=time.time(), **status)


def finish_array(store: Store, name: str) -> None:
    with store.jobs() as jobs:
        failed = any(job.get("Exit_status") for job in jobs.values() if job.get("array_id") == name)
        for job in jobs.values():
            if job.get("array_id") == name and job["job_state"] == "X":
                job.update(job_state="F", comment="Subjob finished")
    deleted = is_deleted(store, name)
    end_job(store, name, substate=91 if deleted else 93 if failed else 92, Exit_status=1 if deleted else 0)
