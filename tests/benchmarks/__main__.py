"""Run benchmarks and print one JSON document: ``python -m tests.benchmarks [NAME ...]``."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

import torch

from nsg_cluster.ops.buffers import keep_freed_memory
from tests.benchmarks.measure import gauges, machine

NAMES = (
    "boxes",
    "street",
    "object_start",
    "standin",
    "hash_step",
    "volume",
    "losses",
    "rendering",
    "scaling",
    "networks",
    "skipping",
    "normals",
    "reflections",
    "models",
    "objects",
    "quality.toybox",
    "quality.lego",
)


def main() -> int:
    """Run the benchmarks that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which (default all): {', '.join(NAMES)}")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all of the process)")
    parser.add_argument(
        "--peer", type=Path, help="checkout to measure beside: of HashNeRF-pytorch, for networks of nerf_pl"
    )
    parser.add_argument("--out", type=Path, help="also write the document here")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.device == "cpu":
        keep_freed_memory()  # as a training does
    document: dict[str, object] = {"machine": machine(arguments.device), "gauges": gauges(arguments.device)}
    for name in arguments.names or NAMES:
        print(f"{name} …", file=sys.stderr, flush=True)
        module, _, function = name.partition(".")
        run = getattr(importlib.import_module(f"tests.benchmarks.{module}"), function or "run")
        document[name] = run(arguments.device, arguments.peer)
    text = json.dumps(document, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
