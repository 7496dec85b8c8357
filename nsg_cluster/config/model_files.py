"""What a user names (a model, a folder, a ShapeNet category, a list) to the models that it stands for."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nsg_cluster.config.objects import SHAPENET_FILE, ObjectsData, model_name, safe_word
from nsg_cluster.core.errors import DataError, did_you_mean
from nsg_cluster.core.logs import printable

__all__ = ["FORMATS", "TEXTURES_BESIDE", "ModelFile", "find_models", "folders_of", "model_file"]

FORMATS = ("obj", "glb", "gltf", "ply", "stl")
# Where exporters put textures, seen from above the folder of a model.
TEXTURES_BESIDE = ("images", "textures")
LISTS = (".txt", ".lst", ".csv")
# Of the tables of splits that come with ShapeNet, among others.
SHAPENET_COLUMNS = {"synsetId", "modelId"}


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model to be rendered."""

    file: Path
    name: str
    """Safe in a path, and its own among those found together."""


def find_models(what: Path) -> list[ModelFile]:
    """Return the models that a path stands for, in the order of their paths; those of a list in its order.

    A path is a model's file, a folder of models, a ShapeNet v2 model, category or the whole of it, or a text file that
    lists any of these, one a line, relative to itself.

    Raises:
        DataError: There is nothing there, or nothing that Blender reads.
    """
    files = list(_files(what, seen=()))
    if not files:
        raise DataError(
            f"{_shown(what)}: holds no model; looked for .{', .'.join(FORMATS)} and ShapeNet's {SHAPENET_FILE}"
        )
    return _named(list(dict.fromkeys(files)))


def model_file(path: Path) -> Path:
    """Return the file of one model, which may be named by its ShapeNet folder.

    Raises:
        DataError: It is not there, or is of no known format.
    """
    inside = path / SHAPENET_FILE
    if path.is_dir() and _is_file(inside):
        return inside
    if path.is_dir():
        raise DataError(f"{_shown(path)}: is a folder without {SHAPENET_FILE}; name a model's file")
    if not _is_file(path) and os.path.lexists(path):
        raise DataError(f"{_shown(path)}: is no file{', but a link that leads to none' if path.is_symlink() else ''}")
    if not _is_file(path):
        raise DataError(f"{_shown(path)}: there is no such file.{_near(path)}")
    if path.suffix.lower().lstrip(".") not in FORMATS:
        raise DataError(f"{_shown(path)}: is none of the formats .{', .'.join(FORMATS)}")
    return path


def folders_of(data: ObjectsData, models: str | None) -> list[Path]:
    """Return the folders that rendering reads and writes: a model's textures lie beside it, not in its file.

    Args:
        data: The section ``data`` of an experiment.
        models: Its ``sweep.models``.

    Raises:
        DataError: What ``models`` names is not there.
    """
    files = [model.file for model in find_models(Path(models))] if models else [Path(data.model)] if data.model else []
    read = {_home(file) for file in files}
    # One folder for all of them: a command line holds no thousand.
    shared = [Path(os.path.commonpath(read))] if read else []
    written = Path(data.out.partition("{")[0] + "x").parent
    return [*shared, next(folder for folder in (written, *written.parents) if folder.is_dir())]


def _home(file: Path) -> Path:
    """Return the folder that holds a model with its textures, which ShapeNet and others have beside the model's own."""
    if file.is_dir():
        return file
    has_textures = any((file.parent.parent / name).is_dir() for name in TEXTURES_BESIDE)
    return file.parents[1] if has_textures or file.parts[-2:] == SHAPENET_FILE.parts else file.parent


def _files(what: Path, *, seen: tuple[Path, ...]) -> Iterator[Path]:
    if not what.is_dir() and what.suffix.lower() in LISTS and _is_file(what):
        yield from _listed(what, seen)
    elif not what.is_dir():
        yield model_file(what)
    elif _is_file(what / SHAPENET_FILE) or (what / SHAPENET_FILE.parts[0]).is_dir():
        yield what / SHAPENET_FILE
    elif shapenet := _shapenet(what):
        yield from shapenet
    else:
        yield from sorted(_below(what))


def _shapenet(folder: Path) -> list[Path]:
    """Return the models of a ShapeNet category, or of all categories; a model without its file is among them."""
    for pattern in (f"*/{SHAPENET_FILE.parts[0]}", f"*/*/{SHAPENET_FILE.parts[0]}"):
        found = [entry.parent / SHAPENET_FILE for entry in sorted(folder.glob(pattern)) if entry.is_dir()]
        if found and any(_is_file(file) for file in found):
            return found
    return []


def _below(folder: Path) -> Iterator[Path]:
    """Yield the files of a plain folder and below it; links to folders are not followed, for they may go round."""
    for here, _, names in os.walk(folder):
        for name in names:
            file = Path(here, name)
            if file.suffix.lower().lstrip(".") in FORMATS and not name.startswith("."):
                yield file


def _listed(file: Path, seen: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the models of a list; one that is not there fails by itself, as a model without its file does.

    ``synset,model`` and ``synset/model`` are ShapeNet's own ways of writing one; its tables have a head.

    Raises:
        DataError: The list cannot be read or names itself, or none of its models is there.
    """
    if file.resolve() in seen:
        raise DataError(f"{_shown(file)}: the list names itself")
    found: list[Path] = []
    missing: list[str] = []
    entries = list(_entries(file))
    for number, entry in entries:
        path = file.parent / Path(entry).expanduser()
        try:
            found += _files(path, seen=(*seen, file.resolve()))
        except DataError as error:
            told = f"{_shown(file)}:{number}: {error}"
            if os.path.lexists(path):
                raise DataError(told) from None
            missing.append(told)
            found.append(path)
    if missing and len(missing) == len(entries):
        raise DataError(missing[0])
    yield from found


def _entries(file: Path) -> Iterator[tuple[int, str]]:
    """Yield number and path of each line of a list."""
    try:
        lines = file.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    except OSError as error:
        raise DataError(f"{_shown(file)}: cannot be read: {error.strerror}") from None
    columns: list[int] = []
    for number, line in enumerate(lines, start=1):
        entry = line.partition("#")[0].strip()
        words = [word.strip().strip('"') for word in entry.split(",")]
        if not columns and set(words) >= SHAPENET_COLUMNS:
            columns = [words.index("synsetId"), words.index("modelId")]
        elif columns and len(words) > max(columns):
            # Programs that take a synset for a number take away its zeros.
            yield number, f"{words[columns[0]]:0>8}/{words[columns[1]]}"
        elif entry:
            yield number, entry if (file.parent / entry).exists() else "/".join(words)


def _named(files: list[Path]) -> list[ModelFile]:
    """Give each file a name: that of the model, with as many folders in front as tell it from the others."""
    names = [model_name(file) for file in files]
    for depth in range(1, 8):
        twice = {name for name, count in Counter(names).items() if count > 1}
        if not twice:
            break
        names = [_with_folders(file, depth) if name in twice else name for file, name in zip(files, names, strict=True)]
    return [ModelFile(file, name) for file, name in zip(files, _numbered(names), strict=True)]


def _with_folders(file: Path, depth: int) -> str:
    above = file.parents[1].parent if file.parts[-2:] == SHAPENET_FILE.parts else file.parent
    # The suffix tells cup.obj from cup.glb.
    return "-".join([*map(safe_word, above.parts[-depth:]), model_name(file), safe_word(file.suffix)])


def _numbered(names: Iterable[str]) -> list[str]:
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return numbered


def _is_file(path: Path) -> bool:
    """Return whether there is a file; a link that leads to itself is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _near(path: Path) -> str:
    try:
        beside = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return ""
    return did_you_mean(path.name, beside)


def _shown(path: Path) -> str:
    return printable(str(path))
