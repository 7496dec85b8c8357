"""Bringing a run's results and logs to another folder, from this machine or, by ssh and rsync, from another one.

What has arrived stays when a transfer is cut off: the next one goes on, also in the middle of a file.
"""

from __future__ import annotations

import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from nsg_cluster.core.errors import ConfigError, MachineError, RunError
from nsg_cluster.core.paths import RunPaths, StoragePaths
from nsg_cluster.core.process import PIPE, Child, Completed, start
from nsg_cluster.runs.find import choose_run, find_run, in_order, run_id

if TYPE_CHECKING:
    from nsg_cluster.config.site import Remote, Site

__all__ = ["PARTS", "Fetched", "Progress", "Source", "fetch", "find_source"]

PARTS = ("results", "logs", "checkpoints")
CONNECT_TIMEOUT_S = 20
CONNECTION_FAILED = 255
ELSEWHERE = re.compile(r"^([A-Za-z0-9_][A-Za-z0-9_.@-]*):(.+)$", re.DOTALL)
# What is of use beside a run's job only, or to this program alone.
NEVER = ("/tasks/*/lock", "/lock", "/supervisor.json", "/submitit/*.pkl", ".*")
LOGS = ("*.log", "log.out", "log.err", "events.jsonl", "/submitit", "/tasks/*/tensorboard")
CHECKPOINTS = ("/tasks/*/checkpoints",)
# What says which run it is and how it went: always there.
BASICS = ("*.yaml", "*.json", "source.diff")
# rsync's own numbers: https://download.samba.org/pub/rsync/rsync.1, "EXIT VALUES".
VANISHED, CUT = 24, {10, 11, 12, 20, 30, 35, 255}
FILE = re.compile(r"^> (\d+) (\d+) (.*)$", re.DOTALL)
OVERALL = re.compile(r"^\s*([\d,]+)\s+(\d+)%\s+(\S+)\s+(\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a run is."""

    folder: str
    """Its folder, as it is called on its machine."""
    host: str | None = None
    """Its machine as ssh calls it; ``None`` for this one."""
    options: tuple[str, ...] = ()
    """Words that ssh is given."""

    @property
    def run_id(self) -> str:
        """Its id."""
        return run_id(RunPaths(Path(self.folder)))

    def __str__(self) -> str:
        """Return it as people and rsync write it."""
        return f"{self.host}:{self.folder}" if self.host else self.folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a transfer is."""

    num_bytes: int
    percent: int
    """Of what is known so far to be transferred."""
    rate: str
    """Such as ``12.34MB/s``."""
    left: str
    """Time left, such as ``0:01:23``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What was brought."""

    folder: Path
    num_files: int
    """Files that are new or have changed."""
    num_bytes: int
    """Their sizes together."""
    num_transferred: int
    """Bytes that had to be sent for them."""


def find_source(word: str, site: Site) -> Source:
    """Return the run that a word means: one of this machine, ``host:/its/folder``, or one of the site's remote storage.

    Raises:
        MachineError: The other machine does not answer.
        RunError: It means none, or several.
    """
    storage = StoragePaths(Path(site.storage))
    elsewhere = ELSEWHERE.match(word)
    if elsewhere and not Path(word).exists():
        return Source(host=elsewhere[1], folder=elsewhere[2].rstrip("/"))
    if site.remote is None or storage.runs.is_dir() or "/" in word:
        return Source(folder=str(find_run(word, storage).root))
    return _find_remote(word, site.remote)


def _find_remote(word: str, remote: Remote) -> Source:
    assert remote.storage is not None, "load_site has set it"
    runs = StoragePaths(Path(remote.storage)).runs
    options = tuple(part for line in remote.options for part in shlex.split(line))
    look = ["find", str(runs), "-mindepth", "3", "-maxdepth", "3", "-name", "record.json"]
    # ssh hands the other machine's shell one line.
    answer = _ask([*_ssh(options), "--", remote.host, shlex.join(look)])
    records = [Path(line) for line in answer.out.splitlines() if line.startswith("/")]
    if answer.status == CONNECTION_FAILED or (answer.status and not records and "No such file" not in answer.err):
        answer.check()
    found = in_order(RunPaths(path.parent) for path in records if not path.parent.name.startswith("."))
    where = Path(f"{remote.host}:{runs}")
    return Source(host=remote.host, folder=str(choose_run(word, found, where).root), options=options)


def _ssh(options: Collection[str]) -> list[str]:
    return ["ssh", "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}", *options]


def _ask(argv: list[str]) -> Completed:
    # In this session, so that ssh can ask for a password at the terminal.
    process = start(argv, stdout=PIPE, stderr=PIPE)
    out, err = process.communicate()
    return Completed(tuple(argv), process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def fetch(
    source: Source,
    target: Path,
    *,
    parts: Collection[str] = PARTS[:2],
    tasks: Collection[int] = (),
    show: Callable[[Progress], object] = lambda _: None,
) -> Fetched:
    """Bring a run to ``<target>/<name of its folder>``, or what is new of it.

    Args:
        source: The run.
        target: Folder to put it into; it is made.
        parts: Some of ``results``, ``logs`` and ``checkpoints``.
        tasks: Indices of tasks; all by default.
        show: Told how far it is.

    Raises:
        ConfigError: An option of ssh cannot be handed on.
        MachineError: rsync is missing, or the transfer was cut off.
        RunError: The folder is not one of a run, or the target cannot be written.
    """
    folder = target / Path(source.folder).name
    if not source.host and folder.resolve() == Path(source.folder).resolve():
        raise RunError(f"{folder}: is the run itself; choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made: {error.strerror}") from None
    argv = ["rsync", "--recursive", "--links", "--safe-links", "--times", "--perms", "--partial-dir=.rsync-partial"]
    argv += ["-s", "--info=progress2", "--outbuf=L", "--out-format=> %l %b %n", *_filters(parts, tasks)]
    argv += [f"--rsh={_shell(source.options)}"] if source.host else []
    if not shutil.which("rsync"):
        raise MachineError("fetch needs the program rsync, here and there: apt-get install rsync, or the like")
    with tempfile.TemporaryFile() as errors:
        process = start([*argv, "--", f"{source}/", f"{folder}/"], stdout=PIPE, stderr=errors)
        sizes = _follow(process, show)
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip()
    _check(process.returncode, said, source, folder)
    if lacking := [index for index in sorted(tasks) if not RunPaths(folder).task(index).root.is_dir()]:
        raise RunError(f"run {source.run_id} has no task {lacking[0]}")
    num_bytes, num_transferred = (sum(column) for column in zip((0, 0), *sizes, strict=True))
    return Fetched(folder=folder, num_files=len(sizes), num_bytes=num_bytes, num_transferred=num_transferred)


def _shell(options: Collection[str]) -> str:
    words = _ssh(options)
    for word in words:
        if re.search(r"[\s'\"]", word):
            raise ConfigError(f"remote.options: rsync cannot hand {word!r} to ssh; write it into ~/.ssh/config")
    return " ".join(words)


def _filters(parts: Collection[str], tasks: Collection[int]) -> Iterator[str]:
    """Yield rsync's rules, of which the first that fits a file decides."""
    yield from (f"--exclude={pattern}" for pattern in NEVER)
    if tasks:
        yield from (f"--include=/tasks/{index}/" for index in sorted(tasks))
        yield "--exclude=/tasks/*"
    if "checkpoints" not in parts:
        yield from (f"--exclude={pattern}" for pattern in CHECKPOINTS)
    if "logs" not in parts:
        yield from (f"--exclude={pattern}" for pattern in LOGS)
    if "results" in parts:
        return
    wanted = [*(LOGS if "logs" in parts else ()), *(CHECKPOINTS if "checkpoints" in parts else ())]
    for pattern in wanted:
        yield from (f"--include={pattern}", f"--include={pattern}/**")
    yield from ("--include=/tasks/", "--include=/tasks/*/")
    # Not those inside folders of results.
    yield from (f"--include={folder}{pattern}" for folder in ("/", "/tasks/*/") for pattern in BASICS)
    yield "--exclude=*"


def _follow(process: Child, show: Callable[[Progress], object]) -> list[tuple[int, int]]:
    """Read what rsync says until its end; return the size of each file that has come, and what was sent for it."""
    sizes = []
    assert process.stdout is not None
    try:
        for line in _lines(process.stdout):
            if (found := FILE.match(line)) and not found[3].endswith("/"):
                sizes.append((int(found[1]), int(found[2])))
            elif overall := OVERALL.match(line):
                count = int(overall[1].replace(",", ""))
                show(Progress(num_bytes=count, percent=int(overall[2]), rate=overall[3], left=overall[4]))
    finally:
        # Control-C reaches rsync as well, which then puts aside what it has of a file.
        process.stdout.close()
        process.wait()
    return sizes


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Yield what ends with a newline or with a return to the beginning of the line."""
    rest = b""
    while block := stream.read1(1 << 16):  # type: ignore[attr-defined] # a buffered reader
        *lines, rest = re.split(rb"[\r\n]", rest + block)
        yield from (line.decode(errors="replace") for line in lines)
    yield rest.decode(errors="replace")


def _check(status: int, said: str, source: Source, folder: Path) -> None:
    """Raise an error where a transfer did not come to its end; files that went away meanwhile are no mistake.

    Raises:
        MachineError: It did not.
        RunError: There is no such run.
    """
    if status in {0, VANISHED}:
        if not RunPaths(folder).record.is_file():
            _remove_if_empty(folder)
            raise RunError(f"{source}: is not the folder of a run: it has no {RunPaths(folder).record.name}")
        return
    last = "\n".join(said.splitlines()[-5:])
    _remove_if_empty(folder)
    if "No such file or directory" in said and "change_dir" in said:
        raise RunError(f"{source}: no such folder")
    kept = f"what has arrived is kept in {folder}; the same command goes on from there"
    kept = kept if folder.is_dir() else "nothing has arrived"
    why = "was cut off" if status in CUT or status < 0 else f"failed (rsync's exit status {status})"
    raise MachineError(f"the transfer from {source} {why}; {kept}:\n{last}")


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
