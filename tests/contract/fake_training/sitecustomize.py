"""Puts a fake in the place of training, so that what surrounds it can be tested in moments: real processes, no torch.

Loaded by every Python that a test starts with this folder on ``PYTHONPATH``. A step takes a twentieth of a second and
counts; the checkpoint is the count. The experiment's description says how else it behaves: ``fail at N``, ``mistake``,
``exit N``, ``crash``, ``deaf`` (hears no signal), ``digest NAME`` (prints that of a variable), ``reads`` (prints where
its data is and what is there), ``clock`` (prints for how many seconds its job's script has run). While it runs it draws
a picture into its previews.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import types
from pathlib import Path
from typing import Any

STEP_S = 0.05


def _train(experiment: Any, paths: Any, *, stop: Any) -> Any:
    from nsg_cluster.core.errors import DataError, TrainingError

    words = experiment.description.split()
    print(f"training {experiment.name}", flush=True)
    if words[:1] == ["mistake"]:
        raise DataError("the folder of images is missing")
    if words[:1] == ["exit"]:
        print("about to leave", file=sys.stderr, flush=True)
        os._exit(int(words[1]))
    if words[:1] == ["crash"]:
        raise ZeroDivisionError("a fault of ours")
    if words[:1] == ["digest"]:
        print(hashlib.sha256(os.environ[words[1]].encode()).hexdigest(), flush=True)
    if words[:1] == ["clock"]:
        print("clock", _age_s(_parent(os.getppid())), flush=True)
    if words[:1] == ["reads"]:
        from nsg_cluster.core.staged import staged

        root = staged(experiment.data.root)
        print("reads", sorted(path.name for path in Path(root).iterdir()), "in", root, flush=True)
    paths.previews.mkdir(exist_ok=True, parents=True)
    (paths.previews / f"step-{os.getpid()}.png").write_text("picture")
    paths.checkpoints.mkdir(exist_ok=True)
    checkpoint = paths.checkpoints / "count.sha256"
    step = int(checkpoint.read_text()) if checkpoint.exists() else 0
    print(f"from step {step}", flush=True)
    while step < experiment.train.steps and (stop.requested is None or "deaf" in words):
        time.sleep(STEP_S)
        step += 1
        _write_progress(paths, step, experiment.train.steps)
        if words[:2] == ["fail", "at"] and step == int(words[2]):
            raise TrainingError(f"loss is not finite at step {step}")
    checkpoint.write_text(str(step))
    return types.SimpleNamespace(step=step, stopped=stop.requested if step < experiment.train.steps else None)


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _age_s(pid: int) -> float:
    up_s = float(Path("/proc/uptime").read_text().split()[0])
    return up_s - int(_stat(pid)[19]) / os.sysconf("SC_CLK_TCK")


def _write_progress(paths: Any, step: int, steps: int) -> None:
    document = {"stage": "train", "step": step, "steps": steps, "steps_per_s": 20.0, "psnr": 20.0, "time": time.time()}
    draft = paths.root / ".progress"
    draft.write_text(json.dumps(document))
    draft.replace(paths.progress)


def _evaluate(experiment: Any, paths: Any, **_: Any) -> dict[str, Any]:
    metrics = {"split": "test", "views": 1, "mean": {"psnr": 20.0 + experiment.seed, "ssim": 0.5}, "per_view": []}
    paths.metrics.write_text(json.dumps(metrics))
    print("evaluated", flush=True)
    return metrics


def _render(experiment: Any, paths: Any, **_: Any) -> list[Any]:
    paths.renders.mkdir(exist_ok=True)
    (paths.renders / "orbit.txt").write_text(experiment.name)
    return []


def _put(module: str, **functions: Any) -> None:
    fake = types.ModuleType(module)
    vars(fake).update(functions)
    sys.modules[module] = fake


_put("nsg_cluster.training.loop", train=_train)
_put("nsg_cluster.outputs.evaluate", evaluate=_evaluate)
_put("nsg_cluster.outputs.export", render=_render)
_put("nsg_cluster.tasks.environment", write_environment=lambda *_: None)
