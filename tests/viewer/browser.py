"""A real browser without a window, led through its debugging port."""

from __future__ import annotations

import base64
import io
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from websockets.sync.client import connect
from websockets.sync.connection import Connection

__all__ = ["Page", "opened"]

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--use-angle=swiftshader",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
PATIENCE_S = 60.0


class Page:
    """An open page."""

    def __init__(self, socket: Connection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method of Chromium's debugging protocol."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv(timeout=PATIENCE_S))).get("id") != number:
            pass
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def picture(self) -> np.ndarray:
        """Return what is seen, (height, width, 3), 0 to 255."""
        data = base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])
        return np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB")).astype(np.int64)

    def text(self) -> str:
        """Return the words of the page."""
        found = self.ask("Runtime.evaluate", expression="document.body.innerText")
        return str(found["result"].get("value", ""))

    def drag(self, by_px: int) -> None:
        """Press the mouse in the middle, move it to the left and let go."""
        for kind, x in (("mousePressed", 300), ("mouseMoved", 300 - by_px), ("mouseReleased", 300 - by_px)):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=300, button="left", buttons=1, clickCount=1)


@contextmanager
def opened(url: str, folder: Path, *, width: int = 800, height: int = 600) -> Iterator[Page]:
    """Open a page; skip where there is no Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    argv = [program, *ARGUMENTS, f"--user-data-dir={folder}", f"--window-size={width},{height}", url]
    browser = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_debugged(folder, url), max_size=None) as socket:
            yield Page(socket)
    finally:
        browser.terminate()
        browser.wait()


def _debugged(folder: Path, url: str) -> str:
    """Return the address at which a page can be led."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        time.sleep(0.2)
        try:
            port = (folder / "DevToolsActivePort").read_text().split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as answer:
                pages = json.load(answer)
        except (OSError, IndexError, ValueError):
            continue
        for page in pages:
            if page["type"] == "page" and page["url"].startswith(url):
                return str(page["webSocketDebuggerUrl"])
    raise TimeoutError("Chromium does not open the page")
