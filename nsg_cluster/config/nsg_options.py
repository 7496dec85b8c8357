"""Configuration files of the original Neural Scene Graphs, and what each of their options is called here.

The files hold ``key = value`` lines (configargparse); ``args.txt`` of a run, which lists every option, reads as well.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nsg_cluster.core.errors import ConfigError, did_you_mean, reason_of
from nsg_cluster.core.logs import printable

__all__ = ["DEAD", "ELSEWHERE", "OPTIONS", "Converted", "convert", "read_options"]

STEPS = 1_000_000
"""Steps of every training; written in the original's code."""
DECADE_STEPS = 1000
# The tracks that the original leaves out of Virtual KITTI, whatever the scene.
VKITTI_EXCLUDED = [16, 17, 18, 19]
FIELDS = ("model.background.field", "model.objects.field")
BACKGROUNDS = ("train.background", "evaluate.background", "render.background")
# What the original's options are where they do nothing.
UNSET = (False, 0, -1)
MANIPULATIONS = (
    "rotate",
    "360_rotate",
    "dance",
    "move",
    "move_left",
    "switch_location",
    "oversample",
    "traffic_jam",
    "translate",
)

DEAD = (
    "training_factor",
    "testskip",
    "half_res",
    "factor",
    "no_ndc",
    "lindisp",
    "spherify",
    "llffhold",
    "precrop_iters",
    "precrop_frac",
    "crop_size",
    "no_batching",
    "use_shadows",
    "frame_number",
)
"""Options that the original reads and no code of it uses."""

ELSEWHERE = {
    "basedir": "runs lie below the storage of the site",
    "config": "the file itself",
    "debug_local": "for the original's authors",
    "ft_path": "a run goes on from its own checkpoints: python launch.py resubmit RUN",
    "max_input_objects": "found from the data",
    "model_library": "python launch.py data import-nsg",
    "netchunk": "evaluate.chunk bounds memory, train.rays_at_once in training",
    "no_reload": "a new run starts anew, python launch.py resubmit goes on",
    "obj_detection": "the published code freezes the networks and does nothing else",
    "perturb": "planes have no jitter; the sampler stratified has it in training",
    "remove_frame": "data.hold_out_every, data.protocol",
    "render_factor": "render.size",
    "render_only": "python launch.py render RUN",
    "scene_classes": "found from the data",
    "scene_objects": "found from the data",
    "single_obj": "data.exclude_tracks with all other tracks, which then belong to the background",
    "use_inst_segm": "rays are never resampled by object: every pixel is drawn equally often",
    "i_weights": "train.checkpoint_every_s counts seconds",
}
"""Options without a key of their own here, and what there is instead."""


@dataclass(kw_only=True)
class Converted:
    """An experiment in the making."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Dotted key to value."""
    notes: list[str] = field(default_factory=list)
    """What was left out, and why."""

    def nested(self) -> dict[str, Any]:
        """Return the settings as sections."""
        document: dict[str, Any] = {}
        for key, value in self.settings.items():
            section = document
            *path, last = key.split(".")
            for part in path:
                section = section.setdefault(part, {})
            section[last] = value
        return document


def read_options(path: Path) -> dict[str, Any]:
    """Read a configuration file of the original.

    Raises:
        ConfigError: It cannot be read, a line is none of its kind, or an option is unknown.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {reason_of(error)}") from None
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        content = re.split(r"\s[#;]|^[#;]", line, maxsplit=1)[0].strip()
        if not content:
            continue
        match = re.fullmatch(r"(?:--)?([A-Za-z_]\w*)\s*(?:[=:\s]\s*(.*))?", content)
        if match is None:
            raise ConfigError(f"{path}:{number}: '{printable(content[:60])}' is no line 'option = value'")
        name = match[1]
        known = [*OPTIONS, *DEAD, *ELSEWHERE]
        if name not in known:
            raise ConfigError(
                f"{path}:{number}: Neural Scene Graphs has no option '{name}'.{did_you_mean(name, known)}"
            )
        found[name] = _value(match[2])
    return found


def _value(text: str | None) -> Any:
    """Return a value: nothing means that a flag is set."""
    if text is None or text == "":
        return True
    try:
        # '.5', '1e0' and '[65]' are Python's; 'True' and 'None' too.
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text.strip("'\"")


def convert(options: Mapping[str, Any], *, root: str | None = None) -> Converted:
    """Return the experiment that options of the original describe, and what was left out of it.

    Args:
        options: As `read_options` gives them.
        root: Folder of the data set; below the site's storage by default.

    Raises:
        ConfigError: A value is none that the original knows.
    """
    made = Converted()
    made.settings |= _defaults()
    for name, value in options.items():
        if value is None or value == "None":
            continue
        if name in DEAD:
            made.notes.append(f"{name}: had no effect")
        elif name in ELSEWHERE:
            if value not in UNSET:
                made.notes.append(f"{name}: {ELSEWHERE[name]}")
        else:
            _apply(made, name, value)
    _place(made, options, root)
    _finish(made, options)
    return made


def _defaults() -> dict[str, Any]:
    """Return what the original does where nothing is said."""
    return {
        "name": "nsg",
        "model.kind": "scene_graph",
        "model.background.field.kind": "nerf",
        "model.background.field.color_layers": 4,
        "model.background.sampler.kind": "planes",
        "model.objects.field.kind": "nerf",
        "model.objects.field.color_layers": 4,
        "model.objects.placing": "points",
        "train.steps": STEPS,
        "train.rays": 4096,
        "train.samples": None,
        "train.transmittance_threshold": 0,
        "train.optimizer.backend": "torch",
        "train.optimizer.learning_rate": 5e-4,
        "train.optimizer.betas": [0.9, 0.999],
        "train.optimizer.eps": 1e-7,
        "train.schedule.kind": "exponential",
        "train.schedule.warmup_steps": 0,
        "train.schedule.final_factor": _final_factor(250),
        "train.loss.photometric": "mse",
        "train.loss.opacity_entropy": 0,
        "train.loss.latent": 0.01,
        **dict.fromkeys(BACKGROUNDS, "black"),
    }


def _final_factor(decade_thousands: float) -> float:
    """Return the rate at the last step as a part of the first one."""
    return float(f"{0.1 ** (STEPS / (decade_thousands * DECADE_STEPS)):.6g}")


def _set(*keys: str) -> Callable[[Converted, Any], None]:
    """Return what writes a value under each of some keys."""

    def apply(made: Converted, value: Any) -> None:
        made.settings |= dict.fromkeys(keys, value)

    return apply


def _set_fields(key: str) -> Callable[[Converted, Any], None]:
    return _set(*(f"{part}.{key}" for part in FIELDS))


def _schedule(made: Converted, value: Any) -> None:
    made.settings["train.schedule.final_factor"] = _final_factor(float(value))


def _name(made: Converted, value: Any) -> None:
    made.settings["name"] = re.sub(r"[^A-Za-z0-9_-]+", "-", str(value)).strip("-_")[:64] or "nsg"


def _latent(made: Converted, value: Any) -> None:
    made.settings |= {"model.objects.share": "class" if value else "object", "model.objects.latent": value}


def _object_setting(made: Converted, value: Any) -> None:
    if value == 1:
        made.settings["model.objects.place_frequencies"] = None


def _sampling(made: Converted, value: Any) -> None:
    spacing = {"lindisp": "disparity", "None": "linear"}.get(str(value))
    if value == "planes":
        return
    if spacing is None:
        made.notes.append(f"sampling_method {value}: no counterpart; planes are used")
        return
    made.settings |= {
        "model.background.sampler.kind": "stratified",
        "model.background.sampler.spacing": spacing,
    }


def _plane_type(made: Converted, value: Any) -> None:
    if value != "uniform":
        made.notes.append(f"plane_type {value}: no counterpart; planes are uniform")


def _embedding(made: Converted, value: Any) -> None:
    if value == -1:
        _set_fields("position_frequencies")(made, 0)
        _set_fields("direction_frequencies")(made, 0)


def _only(part: str) -> Callable[[Converted, Any], None]:
    def apply(made: Converted, value: Any) -> None:
        if value:
            made.settings["render.edits"] = [{"only": part}]
            made.notes.append(f"only the {part}: of renders; training is of everything")

    return apply


def _manipulate(made: Converted, value: Any) -> None:
    if value == "background":
        made.settings["render.edits"] = [{"only": "background"}]
    elif value in MANIPULATIONS:
        made.settings["render.edits"] = [{"manipulate": {"name": value}}]
    elif str(value).startswith("handcrafted"):
        made.notes.append(
            f"manipulate {value}: write it as render.edits: [{{manipulate: {{name: handcrafted, tables: FOLDER}}}}], "
            "the folder of its text files"
        )
    else:
        made.notes.append(f"manipulate {value}: write it as render.edits with move, rotate, remove and insert")


def _white(made: Converted, value: Any) -> None:
    made.settings |= dict.fromkeys(BACKGROUNDS, "white" if value else "black")


def _importance(made: Converted, value: Any) -> None:
    if value:
        made.notes.append(f"N_importance {value}: the original sets it to 0 where there are objects")


def _properties(made: Converted, value: Any) -> None:
    if not value:
        made.notes.append("use_object_properties False: objects stay part of the graph; model.kind nerf has none")


def _time(made: Converted, value: Any) -> None:
    if value:
        made.notes.append("use_time: NeRF + time is model.kind nerf with time_frequencies")


def _view_directions(made: Converted, value: Any) -> None:
    if not value:
        _set_fields("direction_frequencies")(made, 0)


def _render_test(made: Converted, value: Any) -> None:
    if value:
        made.settings["render.path"] = "test"


def _excluded(made: Converted, value: Any) -> None:
    tracks = value if isinstance(value, list) else [value]
    made.settings["data.exclude_tracks"] = [int(track) for track in tracks]


def _random_seed(made: Converted, value: Any) -> None:
    made.settings["seed"] = int(value)


def _meta(made: Converted, value: Any) -> None:
    if value:
        made.notes.append(
            "use_obj_meta: learn a start with configs/car_start.yaml, and name its run as model.objects.start_from"
        )


def _handled(_made: Converted, _value: Any) -> None:
    """Leave what several options together say to what comes last."""


OPTIONS: dict[str, tuple[str, Callable[[Converted, Any], None]]] = {
    "expname": ("name", _name),
    "datadir": ("data.root, data.sequence or data.scene", _handled),
    "dataset_type": ("data.kind", _handled),
    "first_frame": ("data.frames", _handled),
    "last_frame": ("data.frames", _handled),
    "near_plane": ("data.near", _set("data.near")),
    "far_plane": ("data.far", _set("data.far")),
    "box_scale": ("data.box_scale", _set("data.box_scale")),
    "remove_obj": ("data.exclude_tracks", _excluded),
    "N_rand": ("train.rays", _set("train.rays")),
    "lrate": ("train.optimizer.learning_rate", _set("train.optimizer.learning_rate")),
    "lrate_decay": ("train.schedule.final_factor", _schedule),
    "latent_balance": ("train.loss.latent", _set("train.loss.latent")),
    "random_seed": ("seed", _random_seed),
    "N_samples": ("model.background.sampler.samples", _set("model.background.sampler.samples")),
    "sampling_method": ("model.background.sampler.kind", _sampling),
    "plane_type": ("model.background.sampler", _plane_type),
    "N_importance": ("model.background.sampler", _importance),
    "N_samples_obj": ("model.objects.samples", _set("model.objects.samples")),
    "latent_size": ("model.objects.latent, model.objects.share", _latent),
    "multires_obj": ("model.objects.place_frequencies", _set("model.objects.place_frequencies")),
    "obj_opaque": ("model.objects.opaque", _set("model.objects.opaque")),
    "use_obj_meta": ("model.objects.start_from", _meta),
    "obj_meta_dir": ("model.objects.start_from", _handled),
    "object_setting": ("model.objects.place_frequencies: null", _object_setting),
    "use_object_properties": ("model.kind: scene_graph", _properties),
    "use_time": ("model.kind: nerf, model.time_frequencies", _time),
    "netdepth": ("model.background.field.hidden_layers", _set("model.background.field.hidden_layers")),
    "netwidth": ("model.background.field.width", _set("model.background.field.width")),
    "netdepth_fine": ("model.objects.field.hidden_layers", _set("model.objects.field.hidden_layers")),
    "netwidth_fine": ("model.objects.field.width", _set("model.objects.field.width")),
    "multires": ("model.*.field.position_frequencies", _set_fields("position_frequencies")),
    "multires_views": ("model.*.field.direction_frequencies", _set_fields("direction_frequencies")),
    "i_embed": ("model.*.field.position_frequencies: 0", _embedding),
    "use_viewdirs": ("model.*.field.direction_frequencies", _view_directions),
    "raw_noise_std": ("model.*.field.density_noise", _set_fields("density_noise")),
    "chunk": ("evaluate.chunk", _set("evaluate.chunk")),
    "white_bkgd": ("train.background, evaluate.background, render.background", _white),
    "bckg_only": ("render.edits: [{only: background}]", _only("background")),
    "obj_only": ("render.edits: [{only: objects}]", _only("objects")),
    "manipulate": ("render.edits: [{manipulate: …}]", _manipulate),
    "render_test": ("render.path: test", _render_test),
    "i_print": ("train.log_every", _set("train.log_every")),
    "i_img": ("train.preview_every", _set("train.preview_every")),
}
"""Options that have an effect: what they are called here, and what writes them."""


def _apply(made: Converted, name: str, value: Any) -> None:
    """Write an option.

    Raises:
        ConfigError: Its value is of another kind.
    """
    try:
        OPTIONS[name][1](made, value)
    except (TypeError, ValueError):
        raise ConfigError(f"{name}: '{value}' is no value that it takes") from None


def _place(made: Converted, options: Mapping[str, Any], root: str | None) -> None:
    """Write which drive it is.

    Raises:
        ConfigError: The data set is another one, or its folder does not say which drive.
    """
    kind, folder = str(options.get("dataset_type", "kitti")), str(options.get("datadir", ""))
    if kind == "kitti":
        match = re.search(r"(\d{4})/?$", folder)
        drive: dict[str, Any] = {"data.sequence": match and match[1], "data.geometry": "nsg_compat"}
    elif kind == "vkitti":
        match = re.search(r"Scene(\d\d)(?:/([A-Za-z0-9-]+))?", folder)
        drive = {"data.scene": match and match[1], "data.variant": (match and match[2]) or "clone"}
        made.settings.setdefault("data.exclude_tracks", VKITTI_EXCLUDED)
    else:
        raise ConfigError(f"dataset_type: '{kind}' is not one of kitti, vkitti")
    if match is None:
        where = "end in the four digits of a sequence" if kind == "kitti" else "name a scene, such as Scene06"
        raise ConfigError(f"datadir: '{folder}' must {where}")
    ours = "kitti" if kind == "kitti" else "vkitti2"
    made.settings |= {"data.kind": ours, "data.root": root or f"${{storage}}/tier4/dataset/{ours}", **drive}
    made.settings |= {"data.cameras": "both", "data.protocol": "reconstruction"}
    made.notes.append(f"datadir {folder}: data.root is {made.settings['data.root']}")
    made.notes.append(
        "as the original, every image is trained on and evaluated; data.protocol nsg_paper holds some out"
    )


def _finish(made: Converted, options: Mapping[str, Any]) -> None:
    """Write what several options together say.

    Raises:
        ConfigError: The clips have not as many first as last frames.
    """
    first, last = _frames(options.get("first_frame")), _frames(options.get("last_frame"))
    if len(first) != len(last):
        raise ConfigError(f"first_frame names {len(first)} clips and last_frame {len(last)}")
    if first:
        made.settings["data.frames"] = ", ".join(f"{a}-{b}" for a, b in zip(first, last, strict=True))
    if made.settings.get("model.objects.latent") is None:
        _latent(made, 0)
    if options.get("object_setting") == 1:
        made.settings["model.objects.place_frequencies"] = None


def _frames(value: Any) -> list[int]:
    """Return the numbers of ``65``, ``0,65`` or ``[65]``."""
    return [int(number) for number in re.findall(r"\d+", "" if value is None else str(value))]
