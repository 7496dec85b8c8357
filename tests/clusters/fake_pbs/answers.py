"""What qstat prints."""

from __future__ import annotations

import json
import sys
import time

from tests.clusters.fake_pbs.store import SERVER, Job, Store, find


def qstat(store: Store, arguments: list[str]) -> int:
    """Print jobs."""
    flags = {word for word in arguments if word in {"-x", "-t", "-f"}}
    as_json = "json" in arguments
    asked = [word for word in arguments if word not in flags | {"-F", "json"}]
    status, shown = 0, {}
    with store.jobs() as jobs:
        for text in asked or list(jobs):
            name = find(jobs, text)
            if name is None:
                print(f"qstat: Unknown Job Id {text}", file=sys.stderr)
                status = 153
            elif jobs[name]["job_state"] == "F" and "-x" not in flags:
                message = f"qstat: {name} Job has finished, use -x or -H to obtain historical job information"
                print(message, file=sys.stderr)
                status = 35
            else:
                shown[name] = jobs[name]
                if "-t" in flags:
                    shown |= {key: job for key, job in jobs.items() if job.get("array_id") == name}
    print(json_form(store, shown) if as_json else text_form(shown))
    return status


def attributes(job: Job) -> Job:
    hidden = {"walltime_s", "select", "limit", "output", "variables", "workdir", "stime", "mtime"}
    result = {key: value for key, value in job.items() if key not in hidden and value != ""}
    variables = {"PBS_O_HOME": "/home/me", "A": "005", **job["variables"]}
    return {**result, "server": SERVER, "Resource_List": {"select": job["select"]}, "Variable_List": variables}


def json_form(store: Store, jobs: dict[str, Job]) -> str:
    head = {"timestamp": int(time.time()), "pbs_version": "23.06.06", "pbs_server": SERVER}
    document = {**head, **({"Jobs": {name: attributes(job) for name, job in jobs.items()}} if jobs else {})}
    text = json.dumps(document, indent="\t")
    # Values that look like numbers are printed as such: 23.06 loses their zeros, older ones print them as they are.
    zeros = "005" if (store.folder / "broken_json").exists() else "5"
    return text.replace('"A": "005"', f'"A": {zeros}')


def text_form(jobs: dict[str, Job]) -> str:
    lines = []
    for name, job in jobs.items():
        lines.append(f"Job Id: {name}")
        for key, value in attributes(job).items():
            if key == "Resource_List":
                lines += [f"    {key}.{part} = {amount}" for part, amount in value.items()]
                continue
            text = ",\n\t".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else value
            lines.append(f"    {key} = {text}")
        lines.append("")
    return "\n".join(lines)
