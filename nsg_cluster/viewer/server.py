"""The page in the browser: what is moved there decides what is rendered here."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float

from nsg_cluster.core.errors import MachineError, NsgError
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.images import encode_png
from nsg_cluster.geometry.cameras import Cameras
from nsg_cluster.viewer.pace import heights
from nsg_cluster.viewer.showing import Background, Showing, Stale, View

if TYPE_CHECKING:
    import viser

__all__ = ["serve"]

POLL_S = 0.2
CHECKPOINT_POLL_S = 2.0
FIRST_LARGEST_PX = 720
MOST_CAMERAS = 200
QUALITY = 90
BACKGROUNDS: tuple[Background, ...] = ("white", "black")
# viser's cameras are those of OpenCV: y down, z forward.
FLIP = np.diag([1.0, -1.0, -1.0])


def serve(
    showing: Showing, *, host: str, port: int, title: str, stop: StopSignal, ready: Callable[[str, int], None]
) -> None:
    """Show a scene to whoever opens the page, until it is asked to stop.

    Args:
        showing: What is shown; newer checkpoints are taken up as they are written.
        host: Address of this machine at which the page is found; ``127.0.0.1`` for this machine alone.
        port: The next free one is taken where it is in use.
        title: Of the page.
        stop: Looked at all the time.
        ready: Called with the host and the port once the page can be opened.

    Raises:
        MachineError: The package viser is missing, or no port can be opened.
    """
    server = _opened(host, port, title)
    screens: dict[int, _Screen] = {}

    @server.on_client_connect
    def _(client: viser.ClientHandle) -> None:
        screens[client.client_id] = _Screen(client, showing)

    @server.on_client_disconnect
    def _(client: viser.ClientHandle) -> None:
        screens.pop(client.client_id).close()

    try:
        server.scene.set_up_direction(_up(showing.scene.train.cameras))
        ready(server.get_host(), server.get_port())
        look_at_s = time.monotonic()
        while stop.requested is None:
            time.sleep(POLL_S)
            if time.monotonic() < look_at_s:
                continue
            look_at_s = time.monotonic() + CHECKPOINT_POLL_S
            if showing.renewed():
                for screen in [*screens.values()]:
                    screen.refresh()
    finally:
        for screen in [*screens.values()]:
            screen.close()
        with redirect_stdout(io.StringIO()):
            server.stop()


def _opened(host: str, port: int, title: str) -> viser.ViserServer:
    try:
        from viser import ViserServer
    except ImportError as error:
        raise MachineError(
            f"the viewer needs the package viser ({error}); install it with: pip install 'nsg-cluster[view]'"
        ) from None
    # A browser that goes away in the middle of a handshake is no news.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()):  # it says in a box what `ready` says
            return ViserServer(host=host, port=port, label=title, verbose=False)
    except OSError as error:
        raise MachineError(f"--port: no page can be opened at {host}:{port} ({error}); name another one") from None


class _Screen:
    """One browser: its controls, and the thread that renders for it."""

    def __init__(self, client: viser.ClientHandle, showing: Showing) -> None:
        self._client, self._showing = client, showing
        self._is_wanted, self._is_closed = threading.Event(), False
        self._controls()
        self._begin()
        client.camera.on_update(lambda _: self.refresh())
        self._thread = threading.Thread(target=self._run, name=f"screen {client.client_id}", daemon=True)
        self._thread.start()
        self.refresh()

    def refresh(self) -> None:
        """Render anew, and give up what is being rendered."""
        self._is_wanted.set()

    def close(self) -> None:
        """Render no more."""
        self._is_closed = True
        self._is_wanted.set()
        self._thread.join()

    def _controls(self) -> None:
        gui, scene = self._client.gui, self._showing.scene
        self._words = gui.add_markdown("")
        self._channel = gui.add_dropdown("Show", self._showing.channels)
        self._background = gui.add_dropdown("Background", BACKGROUNDS)
        self._height = gui.add_slider("Most pixels in height", 64, 2160, 8, FIRST_LARGEST_PX)
        self._threshold = gui.add_slider("Stop rays below", 0.0, 0.1, 0.001, 0.0, hint="transmittance_threshold")
        controls: list[Any] = [self._channel, self._background, self._height, self._threshold]
        self._stops: Any = None
        self._frame: Any = None
        if self._showing.has_exposures:
            stops = scene.train.cameras.stops
            assert stops is not None
            low, high = float(stops.min()) - 2, float(stops.max()) + 2
            self._stops = gui.add_slider("Exposure, stops", low, high, 0.1, (low + high) / 2)
            controls.append(self._stops)
        if len(scene.frame_numbers) > 1:
            self._frame = gui.add_slider("Moment", 0, len(scene.frame_numbers) - 1, 1, 0)
            controls.append(self._frame)
        for control in controls:
            control.on_update(lambda _: self.refresh())
        self._goto: Any = gui.add_slider("Training camera", 0, max(1, len(scene.train) - 1), 1, 0)
        self._goto.on_update(lambda _: self._look_from(int(self._goto.value)))
        shown = gui.add_checkbox("Show training cameras", initial_value=False)
        shown.on_update(lambda _: self._show_cameras(is_visible=shown.value))
        save = gui.add_button("Save picture")
        save.on_click(lambda _: self._save())

    def _begin(self) -> None:
        cameras, camera = self._showing.scene.train.cameras, self._client.camera
        camera.fov = 2.0 * np.arctan(0.5 * cameras.height / float(cameras.focal_px[0, 1]))
        self._look_from(0)

    def _look_from(self, image: int) -> None:
        """Go where a training image was taken, and turn about what is in the middle of it."""
        scene, camera = self._showing.scene, self._client.camera
        pose = scene.train.cameras.camera_to_world[image].numpy().astype(np.float64)
        forward = -pose[:, 2]
        distance = float((scene.box.mean(dim=0).numpy() - pose[:, 3]) @ forward)
        with self._client.atomic():
            camera.up_direction = pose[:, 1]
            camera.position = pose[:, 3]
            camera.look_at = pose[:, 3] + forward * max(distance, 1.5 * scene.near, 1e-2)
        if self._frame is not None and scene.train.cameras.frames is not None:
            self._frame.value = int(scene.train.cameras.frames[image])

    def _show_cameras(self, *, is_visible: bool) -> None:
        scene = self._showing.scene
        cameras, step = scene.train.cameras, -(-len(scene.train) // MOST_CAMERAS)
        size = 0.05 * float((scene.box[1] - scene.box[0]).max())
        for image in range(0, len(scene.train), step):
            pose = cameras.camera_to_world[image].numpy().astype(np.float64)
            frustum = self._client.scene.add_camera_frustum(
                f"/cameras/{image}",
                fov=float(2.0 * np.arctan(0.5 * cameras.height / float(cameras.focal_px[image, 1]))),
                aspect=cameras.width / cameras.height,
                scale=size,
                wxyz=_quaternion(pose[:, :3] @ FLIP),
                position=pose[:, 3],
                visible=is_visible,
            )
            frustum.on_click(partial(self._clicked, image))

    def _clicked(self, image: int, _event: object) -> None:
        self._goto.value = image
        self._look_from(image)

    def _view(self) -> View:
        camera = self._client.camera
        pose = np.concatenate([_matrix(camera.wxyz) @ FLIP, camera.position[:, None]], axis=1)
        return View(
            camera_to_world=torch.from_numpy(pose),
            fov_rad=float(camera.fov),
            aspect=float(camera.aspect),
            channel=self._channel.value,
            background=self._background.value,
            transmittance_threshold=float(self._threshold.value),
            stops=0.0 if self._stops is None else float(self._stops.value),
            frame=0 if self._frame is None else int(self._frame.value),
        )

    def _largest_px(self) -> int:
        return max(1, min(int(self._height.value), int(self._client.camera.image_height) or FIRST_LARGEST_PX))

    def _run(self) -> None:
        while True:
            self._is_wanted.wait()
            self._is_wanted.clear()
            if self._is_closed:
                return
            try:
                self._refine(self._view())
            except Stale:
                continue
            except NsgError as error:
                self._words.content = f"**{error}**"

    def _refine(self, view: View) -> None:
        """Show a small picture at once, then larger ones.

        Raises:
            Stale: Something else is wanted by now.
        """
        showing = self._showing
        for height in heights(largest_px=self._largest_px(), aspect=view.aspect, rays_per_s=showing.rays_per_s):
            picture = showing.picture(view, height, self._is_wanted.is_set)
            self._client.scene.set_background_image(picture, format="jpeg", jpeg_quality=QUALITY)
            size, speed = f"{picture.shape[1]} x {picture.shape[0]}", (showing.rays_per_s or 0.0) / 1e3
            moment = f" · frame {showing.scene.frame_numbers[view.frame]}" if self._frame is not None else ""
            self._words.content = f"step {showing.step}{moment} · {size} · {speed:.1f} k rays/s"

    def _save(self) -> None:
        """Send the browser the picture in full size, as a file."""
        picture = self._showing.picture(self._view(), int(self._height.value))
        self._client.send_file_download(f"step-{self._showing.step:08d}.png", encode_png(picture))


def _up(cameras: Cameras) -> Float[np.ndarray, " 3"]:
    """Return the direction in which the tops of all cameras point on average."""
    up = cameras.camera_to_world[:, :, 1].mean(dim=0).numpy()
    length = float(np.linalg.norm(up))
    return up / length if length > 1e-3 else np.array([0.0, 0.0, 1.0])


def _matrix(wxyz: Float[np.ndarray, " 4"]) -> Float[np.ndarray, "3 3"]:
    from viser.transforms import SO3

    return np.asarray(SO3(wxyz).as_matrix())


def _quaternion(matrix: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, " 4"]:
    from viser.transforms import SO3

    return np.asarray(SO3.from_matrix(matrix).wxyz)
