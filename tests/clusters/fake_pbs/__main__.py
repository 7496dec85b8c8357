"""``python fake_pbs STATE_FOLDER PROGRAM ARGUMENTS...``: be one of the programs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.clusters.fake_pbs.answers import qstat
from tests.clusters.fake_pbs.node import serve
from tests.clusters.fake_pbs.options import array_indices, directives, new_job, parse_options
from tests.clusters.fake_pbs.store import SERVER, Failure, Job, Store, find


def qsub(store: Store, arguments: list[str]) -> int:
    """Take a job and start the process that runs it."""
    if arguments == ["--version"]:
        print("pbs_version = 23.06.06 (fake)")
        return 0
    options, rest = parse_options(arguments)
    script = Path(rest[0]).read_text() if rest else sys.stdin.read()
    given, _ = parse_options(directives(script))
    options = {**given, **options, "l": given.get("l", []) + options.get("l", [])}
    job = new_job(options, rest[0] if rest else "STDIN")
    indices = array_indices(options["J"][-1]) if "J" in options else None
    with store.jobs() as jobs:
        number = max((int(re.match(r"\d+", name)[0]) for name in jobs), default=-1) + 1  # type: ignore[index]
        name = f"{number}.{SERVER}" if indices is None else f"{number}[].{SERVER}"
        jobs[name] = job
        (store.folder / f"{name}.SC").write_text(script)
        for index in indices or ():
            jobs[f"{number}[{index}].{SERVER}"] = {**job, "array_id": name, "array_index": index}
    print(name, flush=True)
    argv = [sys.executable, "-S", "-E", str(Path(__file__).parent), str(store.folder), "_serve", name]
    quiet = subprocess.DEVNULL
    subprocess.Popen(argv, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    return 0


def qdel(store: Store, arguments: list[str]) -> int:
    """Delete jobs."""
    status = 0
    with store.jobs() as jobs:
        for text in arguments:
            name = find(jobs, text)
            if name is None:
                print(f"qdel: Unknown Job Id {text}", file=sys.stderr)
                status = 153
            elif jobs[name]["job_state"] in {"F", "X"}:
                print(f"qdel: Job has finished {name}", file=sys.stderr)
                status = 35
            else:
                (store.folder / f"{name}.delete").touch()
                for key, job in jobs.items():
                    if key == name or job.get("array_id") == name:
                        delete(job)
    return status


def delete(job: Job) -> None:
    if job["job_state"] in {"Q", "H"}:
        # An element that never ran looks like one whose record is gone.
        is_element = "array_id" in job
        job.update(job_state="X" if is_element else "F", substate=92 if is_element else 91)


def hold(store: Store, arguments: list[str], *, on: bool) -> int:
    with store.jobs() as jobs:
        for text in arguments:
            name = find(jobs, text)
            if name is None:
                raise Failure(f"qhold: Unknown Job Id {text}", 153)
            jobs[name].update({"job_state": "H", "substate": 20} if on else {"job_state": "Q", "substate": 10})
    return 0


def qselect(store: Store, arguments: list[str]) -> int:
    """Print the numbers of the jobs of a name."""
    name = arguments[arguments.index("-N") + 1]
    with store.jobs() as jobs:
        for key, job in jobs.items():
            if job["Job_Name"] == name and "array_id" not in job and ("-x" in arguments or job["job_state"] != "F"):
                print(key)
    return 0


def main(folder: str, program: str, *arguments: str) -> int:
    """Be one of the programs."""
    store = Store(Path(folder))
    programs = {"qsub": qsub, "qstat": qstat, "qdel": qdel, "qselect": qselect}
    try:
        if program == "_serve":
            return serve(store, arguments[0])
        if (store.folder / "down").exists():
            raise Failure(f"{program}: cannot connect to server {SERVER} (errno=15010)", 255)
        if program in {"qhold", "qrls"}:
            return hold(store, list(arguments), on=program == "qhold")
        return programs[program](store, list(arguments))
    except Failure as failure:
        print(failure.args[0], file=sys.stderr)
        return int(failure.args[1])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
