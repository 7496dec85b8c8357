"""NeRF's network with occupancy skipping against the same network, coarse and fine: PSNR over CPU-seconds of training.

The toy box at 64x64; ``nerf_small`` and ``nerf_small_occupancy`` of ``configs/models``. The second gets a fifth of the
first one's time, and a tenth: what matters is whether it is as good by then.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.benchmarks.budget import spend
from tests.benchmarks.models import experiment

BUDGET_S, PARTS = 100.0, (5, 10)


def run(device: str, peer: Path | None) -> dict[str, Any]:
    """Train the three."""
    del device, peer
    whole = spend(experiment("nerf_small", "toybox"), BUDGET_S, views=None)
    skipping = [spend(experiment("nerf_small_occupancy", "toybox"), BUDGET_S / part, views=None) for part in PARTS]
    return {
        "coarse_and_fine": whole,
        "occupancy": skipping,
        "gain_db": {f"1/{part}": found["psnr"] - whole["psnr"] for part, found in zip(PARTS, skipping, strict=True)},
    }
