"""Watching a run until it ends: bars on a terminal, a plain line now and then anywhere else, or silence."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TextIO, runtime_checkable

from nsg_cluster.core.logs import printable
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.core.units import format_bytes, format_duration
from nsg_cluster.runs.status import RunReader, RunRow, TaskRow

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Bars", "Display", "Lines", "Silence", "display_for", "follow"]

POLL_S = 0.3
SECONDS_BETWEEN_LINES = 10.0
BAR_WIDTH = 16
NUM_GAPS = 4


@runtime_checkable
class Display(Protocol):
    """Shows a run to a person."""

    def update(self, row: RunRow) -> None:
        """Show the newest state."""

    def close(self) -> None:
        """Leave the screen in order."""


def display_for(stream: TextIO) -> Display:
    """Return bars for a terminal, otherwise plain lines."""
    return Bars(stream) if stream.isatty() else Lines(stream)


def follow(run: RunPaths, display: Display, *, is_over: Callable[[], bool] | None = None) -> RunRow:
    """Show a run until it has ended and return what became of it.

    Args:
        run: The run.
        display: Where to show it.
        is_over: Ends the watching before the run has ended.

    Raises:
        RunError: The run cannot be read.
    """
    reader = RunReader(run)
    try:
        while True:
            over = is_over is not None and is_over()
            row = reader.read()
            display.update(row)
            if over or row.is_final:
                return row
            time.sleep(POLL_S)
    finally:
        display.close()


def measures(progress: Mapping[str, Any]) -> str:
    """Return the rates and values of a ``progress.json`` as people read them; what it lacks is left out.

    What matters most comes first: a narrow terminal cuts the end off.
    """
    forms: tuple[tuple[str, Callable[[float], str]], ...] = (
        ("psnr", "PSNR {:.2f} dB".format),
        ("eta_s", lambda value: f"{format_duration(value)} left"),
        ("steps_per_s", "{:.1f} steps/s".format),
        ("loss", "loss {:.5f}".format),
        ("rays_per_s", lambda value: f"{value / 1000:.1f}k rays/s"),
        ("samples_per_ray", "{:.1f} samples/ray".format),
        ("memory_bytes", format_bytes),
    )
    return "  ".join(form(progress[key]) for key, form in forms if isinstance(progress.get(key), (int, float)))


class Silence:
    """Shows nothing."""

    def update(self, row: RunRow) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Do nothing."""


class Lines:
    """Writes a line when a task changes its state, and every few seconds while it runs; no control characters."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._states: dict[int, tuple[str, int]] = {}
        self._spoke: dict[int, float] = {}

    def update(self, row: RunRow) -> None:
        """Write what is new."""
        for task in row.tasks:
            state = (task.status.state, task.status.attempt)
            if self._states.get(task.index, ("queued", 0)) != state:
                self._say(row, task, _news(task))
            elif task.status.state == "running" and task.progress and self._is_due(task):
                self._say(row, task, f"{task.position}  {measures(task.progress)}")
            self._states[task.index] = state

    def _is_due(self, task: TaskRow) -> bool:
        return time.monotonic() - self._spoke[task.index] >= SECONDS_BETWEEN_LINES

    def _say(self, row: RunRow, task: TaskRow, text: str) -> None:
        self._spoke[task.index] = time.monotonic()
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        where = f"{task.name} ({_ended(row)}/{len(row.tasks)} ended)" if len(row.tasks) > 1 else task.name
        self._stream.write(f"{stamp} {where}  {printable(text)}\n")
        self._stream.flush()

    def close(self) -> None:
        """Do nothing: every line is complete."""


def _news(task: TaskRow) -> str:
    status = task.status
    attempt = f", attempt {status.attempt}" if status.state == "running" and status.attempt > 1 else ""
    reason = f": {status.reason}" if status.reason else ""
    return f"{status.state}{attempt}{reason}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"


def _ended(row: RunRow) -> int:
    return sum(task.status.is_final for task in row.tasks)


class Bars:
    """One bar for each running task, and one for all of them."""

    def __init__(self, stream: TextIO) -> None:
        # Takes a twentieth of a second to import, which other commands need not wait for.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._bars: dict[int, TaskID] = {}
        self._all: TaskID | None = None
        self._progress: Progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=BAR_WIDTH),
            TextColumn("{task.fields[position]}"),
            TextColumn("{task.fields[measures]}"),
            console=Console(file=stream, markup=False, highlight=False),
            refresh_per_second=4,
        )
        self._progress.start()

    def update(self, row: RunRow) -> None:
        """Draw the newest state."""
        running = [task for task in row.tasks if task.status.state == "running"]
        taken = max((len(task.name) + len(task.position) for task in running), default=0) + BAR_WIDTH
        for task in row.tasks:
            if task.status.state == "running":
                self._draw(task, width=self._progress.console.width - taken - NUM_GAPS)
            elif task.index in self._bars:
                self._progress.remove_task(self._bars.pop(task.index))
                self._progress.console.print(f"{task.name}  {_news(task)}")
        if len(row.tasks) > 1:
            self._draw_all(row)

    def _draw(self, task: TaskRow, *, width: int) -> None:
        if task.index not in self._bars:
            self._bars[task.index] = self._progress.add_task(task.name, total=None, position="starting", measures="")
        if task.progress:
            self._progress.update(
                self._bars[task.index],
                total=task.progress.get("steps"),
                completed=task.progress.get("step", 0),
                position=task.position,
                measures=_cut(measures(task.progress), width),
            )

    def _draw_all(self, row: RunRow) -> None:
        counts = Counter(task.status.state for task in row.tasks)
        position = f"{_ended(row)}/{len(row.tasks)} tasks"
        measured = "  ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        if self._all is None:
            self._all = self._progress.add_task(row.name, total=len(row.tasks), position="", measures="")
        self._progress.update(self._all, completed=_ended(row), position=position, measures=measured)

    def close(self) -> None:
        """Remove the bars."""
        for bar in self._bars.values():
            self._progress.remove_task(bar)
        self._bars = {}
        self._progress.stop()
