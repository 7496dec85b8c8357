"""Does our path build what Docker's builds? Each Dockerfile of ``corpus/`` is built twice and the images are compared.

Once by Buildah, once by the converter and Apptainer; compared are all files (kind, mode, content), the environment, and
what the image prints and returns when it is run with arguments and without. Results: ``passed``, ``refused`` (the
converter says why) and ``different``. A table of the whole corpus::

    python -m tests.containers.conformance [NAME…]
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nsg_cluster.container.definition import convert
from nsg_cluster.core.errors import ContainerError
from tests.clusters.account import Unavailable
from tests.containers import bases, inside
from tests.containers.context import own, write_context
from tests.containers.engines import Engines
from tests.containers.fixtures import made_engines

CORPUS = Path(__file__).parent / "corpus"
ARGUMENTS = ("echo", "a  b", "$HOME", "it's")
# Files that an engine writes itself.
OF_THE_ENGINES = (
    ".singularity.d",
    "environment",
    "singularity",
    ".exec",
    ".run",
    ".shell",
    ".test",
    "dev",
    "proc",
    "sys",
)
OF_THE_HOST = ("etc/resolv.conf", "etc/hosts", "etc/hostname", "etc/mtab", "run")
# Variables that an engine sets itself, or that say who and where one is.
VARIABLES = {
    "HOME",
    "HOSTNAME",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "TERM",
    "PS1",
    "PROMPT_COMMAND",
    "LOGNAME",
    "USER",
    "USER_PATH",
    "_",
    "container",
}
SKIPPED = (*OF_THE_ENGINES, *OF_THE_HOST)
# Folders that Apptainer makes in every image.
MADE = ("home", "root", "tmp", "var", "var/tmp")
WITH_VARIABLE, VARIABLE = "localhost/variable", "BASE_FOLDER=/srv/base"
LIBRARIES = "/.singularity.d/libs"


@dataclass(frozen=True)
class Image:
    """What there is to compare of an image."""

    files: dict[str, list[str]]
    environment: dict[str, str]
    runs: list[list[int | str]]
    """Status and output without arguments, and with them."""


@dataclass(frozen=True)
class Result:
    """How a Dockerfile fared."""

    name: str
    kind: str
    reasons: tuple[str, ...] = ()
    seconds: float = 0.0


def names() -> list[str]:
    """Return the names of the corpus."""
    return sorted(path.stem for path in CORPUS.glob("*.Dockerfile"))


class Conformance:
    """Builds and compares.

    Args:
        engines: Apptainer and Buildah.
        tiny: The base of the corpus.
    """

    def __init__(self, engines: Engines, tiny: bases.Base) -> None:
        self.engines, self.tiny = engines, tiny
        self.folder = engines.work()
        self.version = engines.check("buildah", "--version")
        engines.account.folder(self.folder / "empty")
        self.script = engines.account.write(self.folder / "inside.py", Path(inside.__file__).read_text())
        self.context = engines.account.folder(self.folder / "context")
        write_context(self.context)
        own(self.context, engines.account.uid, engines.account.gid)
        self.contents = json.dumps(inside.walk(str(self.context), []), sort_keys=True)

    def close(self) -> None:
        """Remove what was built."""
        self.engines.check("buildah", *self.engines.storage, "unshare", "rm", "-rf", self.folder, cwd=self.engines.root)

    def compare(self, name: str) -> Result:
        """Build a Dockerfile both ways and compare."""
        began = time.monotonic()
        path = self._dockerfile(name)
        try:
            converted = convert(path, context=self.context, bases=self._bases(path), shown=path.name)
        except ContainerError as error:
            return Result(name, "refused", tuple(str(error).splitlines()), time.monotonic() - began)
        try:
            theirs, ours = self._remembered(name, path), self._by_us(name, converted.text)
        except RuntimeError as error:
            return Result(name, "different", (str(error),), time.monotonic() - began)
        reasons = tuple(differences(theirs, ours))
        return Result(name, "different" if reasons else "passed", reasons, time.monotonic() - began)

    def _bases(self, path: Path) -> dict[str, Path]:
        """Return image files of the bases; that with a variable of its own is made where it is used."""
        found = {"localhost/tiny": self.tiny.sif}
        if WITH_VARIABLE in path.read_text():
            sif = self.folder / "variable.sif"
            found[WITH_VARIABLE] = sif
            if not sif.exists():
                text = f"Bootstrap: localimage\nFrom: {self.tiny.sif}\n%environment\n    export {VARIABLE}\n"
                self.engines.build(sif, self.engines.account.write(self.folder / "variable.def", text))
                text = f"FROM localhost/tiny\nENV {VARIABLE}\n"
                file = self.engines.account.write(self.folder / "variable.Dockerfile", text)
                done = self.engines.buildah("build", "-q", "-t", WITH_VARIABLE, "-f", file, self.folder / "empty")
                if done.returncode != 0:
                    raise RuntimeError(f"buildah: {done.stderr}")
        return found

    def _dockerfile(self, name: str) -> Path:
        account = self.engines.account
        path = account.write(self.folder / f"{name}.Dockerfile", "")
        path.write_bytes((CORPUS / f"{name}.Dockerfile").read_bytes())
        ignore = CORPUS / f"{name}.Dockerfile.dockerignore"
        if ignore.exists():
            account.write(path.with_name(ignore.name), ignore.read_text())
        return path

    def _by_us(self, name: str, text: str) -> Image:
        engines, folder = self.engines, self.engines.account.folder(self.folder / name)
        definition = engines.account.write(folder / "image.def", text)
        sandbox = folder / "image"
        engines.build(sandbox, definition, "--sandbox", cwd=self.context)
        files = self._inside("walk", sandbox, *SKIPPED)
        if any(path.split("/")[0].startswith(".nsg") for path in files):
            raise RuntimeError(f"the staging folder is still there: {sorted(files)[:3]}")
        options = ("--cleanenv", "--no-mount", "home,tmp,cwd", "--pwd", "/")
        environment = engines.run("apptainer", "-s", "exec", *options, sandbox, "env", "-0")
        runs = [engines.run("apptainer", "-s", "run", *options, sandbox, *words) for words in ((), ARGUMENTS)]
        return Image(files, _variables(environment.stdout), [[done.returncode, done.stdout] for done in runs])

    def _remembered(self, name: str, path: Path) -> Image:
        """Build by Buildah, or return what it built before, on this machine, of the very same Dockerfile."""
        ignore = path.with_name(f"{path.name}.dockerignore")
        inputs = [path.read_bytes(), ignore.read_bytes() if ignore.exists() else b"", self.tiny.tar.read_bytes()]
        inputs += [Path(inside.__file__).read_bytes(), f"{self.contents}{self.version}{ARGUMENTS}{SKIPPED}".encode()]
        digest = hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in inputs)).hexdigest()
        file = self.engines.account.folder(self.engines.root / "answers") / f"{name}-{digest[:16]}.json"
        if not file.exists():
            image = self._by_buildah(name, path)
            self.engines.account.write(file, json.dumps(asdict(image)))
        return Image(**json.loads(file.read_text()))

    def _by_buildah(self, name: str, path: Path) -> Image:
        ignore = path.with_name(f"{path.name}.dockerignore")
        options = ["--isolation=chroot", "--layers=false", "--format=docker", "--no-cache", "-f", str(path)]
        request = {
            "storage": self.engines.storage,
            "tag": f"localhost/conformance-{name}",
            "options": options + ([f"--ignorefile={ignore}"] if ignore.exists() else []),
            "context": str(self.context),
            "arguments": ARGUMENTS,
            "skipped": SKIPPED,
        }
        file = self.engines.account.write(self.folder / f"{name}.json", json.dumps(request))
        answer = self._inside("build", file)
        if "error" in answer:
            raise RuntimeError(f"buildah: {answer['error']}")
        return Image(answer["files"], _variables("\0".join(answer["environment"])), answer["runs"])

    def _inside(self, *argv: str | Path) -> dict[str, Any]:
        """Do something as the owner of the images, see `tests.containers.inside`."""
        done = self.engines.buildah("unshare", "/usr/bin/python3", self.script, *argv, cwd=self.folder)
        if done.returncode != 0:
            raise RuntimeError(f"{argv[0]}: exit status {done.returncode}: {done.stderr.strip()[-1500:]}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def _variables(text: str) -> dict[str, str]:
    found = dict(item.split("=", 1) for item in text.split("\0") if "=" in item)
    if found.get("LD_LIBRARY_PATH", "").endswith(LIBRARIES):
        found["LD_LIBRARY_PATH"] = found["LD_LIBRARY_PATH"].removesuffix(LIBRARIES).removesuffix(":")
    if found.get("LANG") == "C":
        del found["LANG"]
    own_names = ("APPTAINER", "SINGULARITY")
    return {
        name: value
        for name, value in found.items()
        if value and name not in VARIABLES and not name.startswith(own_names)
    }


def differences(theirs: Image, ours: Image) -> list[str]:
    """Return what is not the same, a sentence each."""
    found = []
    for what, left, right in (("file", theirs.files, ours.files), ("variable", theirs.environment, ours.environment)):
        for name in sorted({*left, *right}):
            if left.get(name) != right.get(name) and not (name in MADE and name not in left):
                found.append(f"{what} {name}: {left.get(name)!r} by Buildah, {right.get(name)!r} by us")
    for words, left_run, right_run in zip(("", " ".join(ARGUMENTS)), theirs.runs, ours.runs, strict=True):
        if left_run != right_run:
            found.append(f"run {words}: {left_run!r} by Buildah, {right_run!r} by us")
    return found


def main(chosen: list[str]) -> int:
    """Print the table of the corpus, or of some of it."""
    try:
        engines = made_engines()
        conformance = Conformance(engines, bases.tiny(engines))
    except Unavailable as error:
        print(f"missing: {error}", file=sys.stderr)
        return 1
    counts = {"passed": 0, "refused": 0, "different": 0}
    for name in chosen or names():
        result = conformance.compare(name)
        counts[result.kind] += 1
        print(f"{result.name:32} {result.kind:10} {result.seconds:5.1f} s", *result.reasons, sep="\n      ", flush=True)
    print(", ".join(f"{count} {kind}" for kind, count in counts.items()))
    conformance.close()
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
