"""The material files of an .obj: made one, its textures found whatever the file calls them.

Names in a .mtl were often written on another system: with backslashes, in other capitals, as absolute paths of a
computer far away. A texture is looked for as written, then without regard to capitals, then by its name alone in the
folders where exporters put textures. Blender is given links with plain names.

The format is Wavefront's, "Advanced Visualizer" appendix B2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nsg_cluster.config.model_files import TEXTURES_BESIDE
from nsg_cluster.core.errors import DataError, did_you_mean
from nsg_cluster.core.logs import printable

__all__ = ["Materials", "collect_materials", "find_file"]

MAX_BYTES = 64 << 20
MAX_TEXTURES = 10_000
# Where exporters put textures, seen from the folder of the material file. ShapeNet v2: ../images.
TEXTURE_FOLDERS = ("", "images", "textures", "texture", "maps", *(f"../{name}" for name in TEXTURES_BESIDE))
_MAPS = """map_Ka map_Kd map_Ks map_Ke map_Ns map_d map_Tr map_Bump map_bump bump disp map_disp decal refl map_refl norm
map_Pr map_Pm map_Ps"""
MAPS = {name.lower(): name for name in _MAPS.split()}
# How many words may follow an option of a map, at least and at most.
OPTIONS = {"-blendu": (1, 1), "-blendv": (1, 1), "-bm": (1, 1), "-boost": (1, 1), "-cc": (1, 1), "-clamp": (1, 1)}
OPTIONS |= {"-imfchan": (1, 1), "-mm": (2, 2), "-o": (1, 3), "-s": (1, 3), "-t": (1, 3), "-texres": (1, 1)}
OPTIONS |= {"-type": (1, 1), "-colorspace": (1, 1)}
PLAIN = "Kd 0.8 0.8 0.8"


@dataclass(slots=True)
class Materials:
    """What was found."""

    lines: list[str] = field(default_factory=list)
    """The one material file."""
    libraries: list[Path] = field(default_factory=list)
    """The files that it was made of."""
    names: set[str] = field(default_factory=set)
    """Of the materials."""
    textures: dict[Path, str] = field(default_factory=dict)
    """Texture files, and the plain names by which the lines call them."""
    notes: list[str] = field(default_factory=list)
    """What is missing, and what is used instead."""

    def write(self, folder: Path, name: str) -> None:
        """Write the material file and links to the textures beside it."""
        (folder / name).write_text("\n".join(self.lines) + "\n", encoding="utf-8", errors="surrogateescape")
        for texture, link in self.textures.items():
            (folder / link).symlink_to(texture)


def collect_materials(obj: Path, libraries: list[bytes]) -> Materials:
    """Return the materials of an .obj file.

    Args:
        obj: The file.
        libraries: What its ``mtllib`` lines name; where there are none and a .mtl of the same name lies beside it, none
            is used, as the file says.
    """
    found = Materials()
    for library in dict.fromkeys(libraries):
        for path in _libraries(obj, library, found):
            _add(path, found)
    return found


def find_file(folder: Path, name: str) -> Path | None:
    """Return a file by a name that may have backslashes or other capitals; a missing file is None."""
    name = name.replace("\\", "/")
    try:
        if (folder / name).is_file():
            return (folder / name).resolve()
        here = Path("/") if name.startswith("/") else folder
        for part in [part for part in name.split("/") if part not in {"", "."}]:
            here = here.parent if part == ".." else _entry(here, part)
        return here.resolve() if here.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def _entry(folder: Path, part: str) -> Path:
    """Return an entry of a folder without regard to capitals, the exact one first."""
    if (folder / part).exists():
        return folder / part
    for entry in sorted(folder.iterdir()):
        if entry.name.lower() == part.lower():
            return entry
    raise FileNotFoundError(part)


def _libraries(obj: Path, named: bytes, found: Materials) -> Iterator[Path]:
    """Yield the files of an ``mtllib`` line: one whose name may have blanks, or several."""
    name = named.decode("utf-8", errors="surrogateescape").strip('"')
    whole = find_file(obj.parent, name)
    for word in [name] if whole or len(name.split()) < 2 else name.split():
        path = find_file(obj.parent, word) or find_file(obj.parent, word.replace("\\", "/").rpartition("/")[2])
        if path:
            found.libraries.append(path)
            yield path
        else:
            beside = [entry.name for entry in obj.parent.glob("*.[mM][tT][lL]")]
            found.notes.append(
                f"the material file '{printable(word)}' is missing: plain gray is used.{did_you_mean(word, beside)}"
            )


def _add(path: Path, found: Materials) -> None:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{printable(str(path))}: a material file of more than {MAX_BYTES >> 20} MB is none")
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        found.notes.append(
            f"the material file '{printable(path.name)}' cannot be read ({error.strerror}): gray is used"
        )
        return
    if "\0" in text:
        found.notes.append(f"the material file '{printable(path.name)}' is binary: plain gray is used")
        return
    material = ""
    for line in text.splitlines():
        word = line.split(maxsplit=1)
        key = word[0].lower() if word else ""
        if key == "newmtl":
            material = word[1].strip() if len(word) > 1 else ""
            found.names.add(material)
        if key not in MAPS:
            found.lines.append(line)
        elif len(word) > 1:
            _add_map(path, key, word[1], material, found)


def _add_map(library: Path, key: str, rest: str, material: str, found: Materials) -> None:
    """Add the line of a texture with a plain name; without the texture, a plain color where it was the color."""
    options, name = _split_options(rest)
    texture = _texture(library.parent, name)
    if texture is None:
        found.notes.append(
            f"the texture '{printable(name)}' of material '{printable(material)}' is missing: its plain color is used"
        )
        # Exporters write black beside a texture, which would hide the surface.
        if key == "map_kd" and _last_color(found.lines) == [0.0, 0.0, 0.0]:
            found.lines.append(PLAIN)
        return
    if texture not in found.textures and len(found.textures) >= MAX_TEXTURES:
        raise DataError(f"{printable(str(library))}: names more than {MAX_TEXTURES} textures")
    link = found.textures.setdefault(texture, f"texture_{len(found.textures)}{texture.suffix.lower()}")
    found.lines.append(" ".join([MAPS[key], *options, link]))


def _split_options(rest: str) -> tuple[list[str], str]:
    """Return the options of a map and the file's name, blanks in it kept."""
    options: list[str] = []
    rest = rest.strip()
    while (word := rest.split(maxsplit=1)) and word[0] in OPTIONS and len(word) == 2:
        least, most = OPTIONS[word[0]]
        options.append(word[0])
        rest = word[1]
        for taken in range(most):
            value = rest.split(maxsplit=1)
            if len(value) < 2 or (taken >= least and not _is_number(value[0])):
                break
            options.append(value[0])
            rest = value[1]
    return options, rest.strip().strip('"')


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _texture(folder: Path, name: str) -> Path | None:
    plain = name.replace("\\", "/")
    parts = [part for part in plain.split("/") if part]
    # A path of another system, such as C:/Users/…, leads nowhere here; its end, or the name alone, may.
    ends = ["/".join(parts[first:]) for first in range(1, len(parts))]
    candidates = [plain, *ends, *(f"{place}/{parts[-1]}".lstrip("/") for place in TEXTURE_FOLDERS if parts)]
    return next((path for candidate in candidates if (path := find_file(folder, candidate))), None)


def _last_color(lines: list[str]) -> list[float] | None:
    """Return the color of the material that is being written, if it has one so far."""
    for line in reversed(lines):
        words = line.split()
        if words[:1] == ["newmtl"]:
            return None
        if words[:1] == ["Kd"]:
            return [float(word) for word in words[1:4] if _is_number(word)]
    return None
