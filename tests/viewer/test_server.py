"""The page, in a real browser."""

from __future__ import annotations

import builtins
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.errors import MachineError
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.viewer import server
from nsg_cluster.viewer.showing import Showing
from tests.contract.runs import until
from tests.viewer.conftest import Halfway
from tests.viewer.test_showing import view_of

pytest.importorskip("viser", reason="viser is not installed: pip install 'nsg-cluster[view]'")
from tests.viewer.browser import opened

Made = tuple[Experiment, TaskPaths, Halfway]


@contextmanager
def served(showing: Showing) -> Iterator[str]:
    """Serve a scene in a thread; yield its address."""
    stop, ports = StopSignal(), queue.Queue[int]()
    thread = threading.Thread(
        target=server.serve,
        args=(showing,),
        kwargs={
            "host": "127.0.0.1",
            "port": 8600,
            "title": "a title",
            "stop": stop,
            "ready": lambda _, port: ports.put(port),
        },
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{ports.get(timeout=60)}/"
    finally:
        stop.request("cancel")
        thread.join()


def test_the_page_shows_the_scene_from_where_one_goes_and_its_newest_checkpoint(halfway: Made, tmp_path: Path) -> None:
    experiment, paths, go_on = halfway
    showing = Showing(experiment, paths)
    with served(showing) as url, opened(url, tmp_path / "profile") as page:
        height, width, _ = page.picture().shape
        until(lambda: f"{width} x {height}" in page.text(), "the picture in full size")
        assert "step 30" in page.text() and "a title" in page.text()
        # It begins where the first training image was taken. What the controls leave free, on the left, is compared.
        view = view_of(showing, 0)
        expected = showing.picture(replace(view, aspect=width / height), height)
        free = np.s_[height // 2 : height - 80, 60 : width // 2 - 40]
        until(lambda: bool(np.abs(page.picture()[free] - expected[free].astype(int)).mean() < 6), "that picture")
        before = page.picture()
        page.drag(150)
        until(lambda: bool(np.abs(page.picture()[free] - before[free]).mean() > 1), "another side of it")
        go_on()
        until(lambda: "step 60" in page.text(), "the newer checkpoint")


def test_without_viser_there_is_a_sentence(halfway: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name == "viser":
            raise ImportError("No module named 'viser'")
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MachineError, match=r"needs the package viser .*pip install 'nsg-cluster\[view\]'"):
        server.serve(
            Showing(*halfway[:2]), host="127.0.0.1", port=8600, title="", stop=StopSignal(), ready=lambda *_: None
        )
