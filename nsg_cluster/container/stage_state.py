"""Where a stage of a Dockerfile has come to: its variables, folder, user and shell, and what has been written of it."""

from __future__ import annotations

import posixpath
import re

from spython.main.parse.recipe import Recipe

from nsg_cluster.container.context import Context
from nsg_cluster.container.dockerfile import Instruction, Mistakes
from nsg_cluster.container.loss import Loss
from nsg_cluster.container.stages import SCRATCH, Plan, Stage
from nsg_cluster.container.startup import Startup
from nsg_cluster.container.words import Reference, Value, WordError, expand, literal

__all__ = ["VARIABLE", "StageRecipe", "StageState"]

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Set by Apptainer and not by the base image, so that a Dockerfile that refers to them means nothing.
OF_THE_ENGINE = {"HOME", "HOSTNAME", "LOGNAME", "OLDPWD", "PS1", "PWD", "SHLVL", "TERM", "USER"}
DEFAULT_SHELL = ("/bin/sh", "-c")


class StageRecipe(Recipe):  # type: ignore[misc]
    """A recipe with what spython's lacks: lines of ``%setup``, and whether the base has a shell."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(recipe=None)
        self.fromHeader = stage.image
        self.setup: list[str] = []
        self.packed: list[tuple[str, str]] = []
        """Stages, and folders in them that are laid over this image."""
        self.startup = Startup(entrypoint=None, command=None, workdir=None, base_script=None)


class StageState:
    """What instructions of a stage read and change."""

    def __init__(self, stage: Stage, plan: Plan, context: Context, mistakes: Mistakes, escape: str) -> None:
        self.stage, self.plan, self.context, self.mistakes, self.escape = stage, plan, context, mistakes, escape
        self.result = StageRecipe(stage)
        self.losses: list[Loss] = []
        self.env: dict[str, Value] = {}
        self.arguments: dict[str, Value | None] = {}
        self.shell: tuple[str, ...] = DEFAULT_SHELL
        self.user: Value = ()
        self.folder: Value = ("/",)
        self.has_workdir = False

    @property
    def begins_empty(self) -> bool:
        """Whether there is no shell yet, so that files are put in place by the host."""
        return self.stage.image == SCRATCH and not self.result.install

    def lookup(self, name: str) -> Value | None:
        """Return the value of a variable where the stage has come to."""
        if name in self.env:
            return self.env[name]
        if self.arguments.get(name) is not None:
            return self.arguments[name]
        if self.stage.image == SCRATCH or name in OF_THE_ENGINE or not VARIABLE.fullmatch(name):
            return None
        return (Reference(name),)

    def expand(self, text: str) -> Value:
        """Return the value of a word."""
        return expand(text, self.lookup, self.escape)

    def known(self, text: str, instruction: Instruction) -> str:
        """Return the text of a word that must not depend on the base image."""
        found = literal(self.expand(text))
        if found is None:
            raise WordError(f"{instruction.keyword}: {text} depends on a variable that only the base image knows")
        return found

    def resolve(self, value: Value) -> Value:
        """Return a path of the image made absolute by the working folder, with no ``.`` and ``..``."""
        begins = value[0] if value and isinstance(value[0], str) else ""
        if not begins.startswith("/") and not (value and isinstance(value[0], Reference)):
            value = (*self.folder, "/", *value)
        text = literal(value)
        if text is None:
            return value
        clean = posixpath.normpath(text).replace("//", "/")
        return (clean + "/" if text.endswith(("/", "/.")) and clean != "/" else clean,)

    def destination(self, value: Value, instruction: Instruction) -> Value:
        """Return a path of the image made absolute, and note what is surprising about it."""
        first = value[0] if value else ""
        relative = not isinstance(first, Reference) and not first.startswith("/")
        if relative and not self.has_workdir and self.stage.image != SCRATCH:
            self.lose(instruction, "changed", "is relative to '/': Singularity does not know a base image's WORKDIR")
        found = self.resolve(value)
        covered = re.match(r"(/tmp|/var/tmp|/root|/home)(/|$)", literal(found) or "")
        if covered and self.stage is self.plan.stages[-1]:
            hidden = f"lands in {covered[1]}, which is covered by the host's, or closed to users, when the image is run"
            self.lose(instruction, "note", hidden)
        return found

    def lose(self, instruction: Instruction, kind: str, sentence: str) -> None:
        """Add to the loss report."""
        loss = Loss(line=instruction.line, instruction=instruction.keyword, kind=kind, sentence=sentence)  # type: ignore[arg-type]
        self.losses.append(loss)

    def post(self, *lines: str) -> None:
        """Add lines to ``%post``."""
        self.result.install += lines
