"""The section ``render``: camera paths, edits of scene graphs, and what is written."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nsg_cluster.config.base import Config, Folder, PositiveInt
from nsg_cluster.config.driving import FrameRanges
from nsg_cluster.config.edits import EditConfig

__all__ = ["RenderConfig"]


class RenderConfig(Config):
    """Camera paths, edits, and videos."""

    path: Literal["orbit", "ellipse", "spiral", "through", "test", "drive"] | None = None
    """``orbit`` circles the scene; ``ellipse`` goes around it as wide as the cameras stood; ``spiral`` is for views
    that face forward; ``through`` leads from one held-out camera to the next; ``test`` takes the held-out cameras in
    order; ``drive`` all cameras of a scene that moves, camera by camera. By default ``drive`` for a scene that moves,
    and ``orbit`` for others."""
    frames: Annotated[int, Field(ge=0, le=10**9)] | FrameRanges | None = None
    """Number of pictures, 60 by default. ``drive``: frames of the data set such as ``101`` or
    ``"0-20, 65-120"``, all of them by default."""
    cameras: Literal["left", "right", "both"] = "both"
    """``drive``: which of the two cameras look."""
    repeat: PositiveInt = 1
    """``drive``: pictures of each frame, for edits that go on over the path."""
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """``drive``: how far the cameras are moved to the right, up and forward, in their own axes: another lane, a higher
    camera."""
    fps: Annotated[int, Field(ge=1, le=240)] = 30
    """Frames per second of the video."""
    elevation_deg: Annotated[float, Field(ge=-89, le=89)] = 30.0
    """Height of an orbit above the horizon of the scene."""
    size: Annotated[int, Field(ge=8, le=8192)] | None = None
    """Longer side of a frame in pixels; that of the data by default."""
    background: Literal["white", "black"] = "white"
    """Color behind the scene."""
    formats: tuple[Literal["mp4", "gif", "png"], ...] = ("mp4", "gif")
    """What is written; ``png`` keeps every frame."""
    depth: bool = True
    """Write depth as well: frames in color map, and the video beside the color one."""
    normals: bool = False
    """Write normals as well: red, green and blue are the world's axes."""
    nodes: bool = False
    """Scene graphs: write as well which object and which class each pixel shows, and the opacity of each node."""
    edits: tuple[EditConfig, ...] = ()
    """Scene graphs: what is changed before rendering, one after another."""
    out: Folder | None = None
    """Folder for what is written; by default the task's own folder ``renders``."""
