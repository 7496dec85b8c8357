"""The build context of the conformance corpus: files, modes, links, archives."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

FILES = {
    "a.txt": "a\n",
    "b.txt": "b\n",
    "with space.txt": "space\n",
    "[odd].txt": "odd\n",
    "no_line_end": "no line end",
    "run.sh": '#!/bin/sh\necho "run: $# $*"\n',
    "entry.sh": '#!/bin/sh\nset -e\necho "entry: $*"\nexec "$@"\n',
    "secret.key": "key\n",
    "src/main.py": "print('main')\n",
    "src/pkg/__init__.py": "",
    "src/pkg/core.py": "x = 1\n",
    "src/pkg/__pycache__/core.pyc": "cached\n",
    "src/pkg/data/table.csv": "1,2\n",
    "src/.hidden/file": "hidden\n",
    "docs/index.md": "# index\n",
    "docs/deep/er/page.md": "page\n",
    "docs/notes.txt": "notes\n",
    "conf/app.conf": "app\n",
    "conf/app.conf.bak": "bak\n",
    "requirements.txt": "torch\n",
    "rootfs/etc/motd": "welcome\n",
    "rootfs/opt/tool/bin/tool": "#!/bin/sh\necho tool\n",
}
MODES = {
    "run.sh": 0o755,
    "entry.sh": 0o755,
    "secret.key": 0o600,
    "src/pkg/data/table.csv": 0o664,
    "rootfs/opt/tool/bin/tool": 0o755,
    "conf": 0o750,
    "src/pkg/data": 0o775,
}
LINKS = {
    "src/link.py": "main.py",
    "src/dangling": "nowhere",
    "src/pkg/up": "../main.py",
    "link_to_a": "a.txt",
    "link_to_docs": "docs",
}
ARCHIVES = {
    "files.tar": "w",
    "files.tar.gz": "w:gz",
    "files.tar.xz": "w:xz",
    "files.tar.bz2": "w:bz2",
    "named.dat": "w:gz",
}
ARCHIVED = {"top.txt": 0o644, "sub/deep/run": 0o755, "sub/secret": 0o640}


def write_context(root: Path) -> None:
    """Write the files below a folder."""
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "empty").mkdir()
    for path in root.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for name, mode in MODES.items():
        (root / name).chmod(mode)
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    for name, how in ARCHIVES.items():
        _archive(root / name, how)
    # Compressed, but no archive: ADD copies it as it is.
    (root / "plain.gz").write_bytes(b"\x1f\x8b\x08\x00" + bytes(20))


def _archive(path: Path, how: str) -> None:
    buffer = io.BytesIO()
    # No time and no name in the head of what is compressed: the same bytes every time.
    packed = gzip.GzipFile("", "wb", fileobj=buffer, mtime=0) if how == "w:gz" else buffer
    with tarfile.open(mode="w" if how == "w:gz" else how, fileobj=packed) as archive:  # type: ignore[call-overload]
        for folder in ("sub", "sub/deep"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, mode in ARCHIVED.items():
            content = name.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("sub/link")
        link.type, link.linkname = tarfile.SYMTYPE, "deep/run"
        archive.addfile(link)
    if packed is not buffer:
        packed.close()
    path.write_bytes(buffer.getvalue())


def own(root: Path, uid: int, gid: int) -> None:
    """Give everything to a user."""
    for path in (root, *root.rglob("*")):
        os.chown(path, uid, gid, follow_symlinks=False)
