"""Many models one after another: a broken one is reported and the next one rendered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from nsg_cluster.config.model_files import ModelFile
from nsg_cluster.config.objects import ObjectsData
from nsg_cluster.core.errors import DataError, MachineError
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.objects.program import find_blender
from nsg_cluster.objects.render import Rendered, render_model

__all__ = ["Outcome", "render_all"]

log = logging.getLogger(__name__)
State = Literal["rendered", "kept", "broken", "interrupted"]
Follow = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one model."""

    name: str
    model: str
    state: State
    """``kept``: all its views were there already."""
    folder: str
    views: int = 0
    rendered: int = 0
    """Views that were rendered now."""
    seconds: float = 0.0
    error: str = ""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self) | {"notes": list(self.notes)}


def render_all(
    models: Sequence[ModelFile],
    settings: ObjectsData,
    *,
    stop: StopSignal,
    again: bool = False,
    follow: Follow = lambda _model, _done, _all: None,
    ended: Callable[[Outcome], None] = lambda _outcome: None,
    say: Callable[[str], None] = log.info,
) -> list[Outcome]:
    """Render models; return what became of each. It ends with the model at which a stop is requested.

    Args:
        models: What is rendered.
        settings: Those of every model; its ``out`` has a ``{model}`` where there are many.
        stop: Requests to stop.
        again: Replace what stands in the folders.
        follow: Called with the index of a model and its numbers of finished views and of all.
        ended: Called with the outcome of each model.
        say: Told for whom it waits.

    Raises:
        MachineError: There is no Blender.
        RunError: A folder cannot be written.
    """
    find_blender()
    outcomes = []
    for index, model in enumerate(models):
        data = settings.model_copy(update={"model": str(model.file), "name": model.name})
        outcomes.append(
            _render_one(data, partial(render_model, stop=stop, again=again, report=partial(follow, index), say=say))
        )
        ended(outcomes[-1])
        if outcomes[-1].state == "interrupted":
            break
    return outcomes


def _render_one(data: ObjectsData, render: Callable[[ObjectsData, Path], Rendered | None]) -> Outcome:
    outcome = Outcome(name=data.name, model=data.model, folder=str(data.folder), state="broken")
    try:
        result = render(data, data.folder)
    except (DataError, MachineError) as error:
        # Blender itself ends at some files; the next one may be good.
        return replace(outcome, error=str(error))
    if result is None:
        return replace(outcome, state="interrupted")
    return replace(
        outcome,
        state="rendered" if result.rendered else "kept",
        views=result.views,
        rendered=result.rendered,
        seconds=round(result.seconds, 3),
        notes=result.notes,
    )
