"""RUN as lines of ``%post``: a shell or program of its own, in the working folder, as the user, with mounts."""

from __future__ import annotations

import re

from nsg_cluster.container import shell
from nsg_cluster.container.copying import Copier
from nsg_cluster.container.dockerfile import Instruction
from nsg_cluster.container.quoting import quote
from nsg_cluster.container.stage_state import StageState
from nsg_cluster.container.words import literal, shell_word

__all__ = ["RunWriter"]

REFUSED_MOUNTS = {
    "secret": "a secret has no way into a Singularity build; fetch what needs it before the build and COPY the result",
    "ssh": "keys have no way into a Singularity build; fetch what needs them before the build and COPY the result",
}
MOUNTS = ("bind", "cache", "tmpfs", *REFUSED_MOUNTS)


class RunWriter:
    """Writes the RUNs of a stage."""

    def __init__(self, stage: StageState, copier: Copier) -> None:
        self.stage, self.copier = stage, copier

    def write(self, instruction: Instruction) -> None:
        """Add the lines of a RUN."""
        stage = self.stage
        self._refuse(instruction)
        before, after = self._mounts(instruction)
        folder = shell_word(stage.folder)
        command = self._command(instruction)
        user = literal(stage.user)
        if user not in {"", "root", "0", "root:root", "0:0"}:
            command = shell.call("nsg_as", shell_word(stage.user), command)
        else:
            command = f"exec {command}"
        stage.post(
            shell.note(instruction),
            *before,
            f"( nsg_in {folder} && {command} ) </dev/null",
            *after,
        )

    def _refuse(self, instruction: Instruction) -> None:
        if (security := instruction.flag("security")) not in {None, "sandbox"}:
            self.stage.mistakes.add(instruction.line, f"RUN --security={security} cannot be built by an ordinary user")
        if instruction.flag("device") is not None:
            self.stage.mistakes.add(instruction.line, "RUN --device cannot be built: devices are not there for a build")
        if instruction.flag("network") == "none":
            self.stage.lose(instruction, "lost", "--network=none: the network stays reachable while this runs")

    def _command(self, instruction: Instruction) -> str:
        """Return the program and its arguments for the shell."""
        items = instruction.items
        if items is not None:
            return " ".join(map(quote, items))
        if instruction.text.startswith("["):
            self.stage.lose(instruction, "note", "is no JSON list (strings take double quotes), so the shell reads it")
        return " ".join(map(quote, (*self.stage.shell, self._script(instruction))))

    def _script(self, instruction: Instruction) -> str:
        heredocs = instruction.heredocs
        if not heredocs:
            return instruction.text
        if re.fullmatch(r"\d*<<-?\S+", instruction.text):
            return self._alone(heredocs[0].content)
        return instruction.text + "".join(f"\n{heredoc.text}{heredoc.name}" for heredoc in heredocs)

    def _alone(self, content: str) -> str:
        """A heredoc that is the whole RUN is the script; its first line may name the interpreter."""
        if not content.startswith("#!"):
            return content
        file = f"{shell.STAGING}/script"
        return (
            f"mkdir -p {shell.STAGING} && printf %s {_plain(content)} >{file} && chmod 755 {file} && {file}"
            f" && rm {file}"
        )

    def _mounts(self, instruction: Instruction) -> tuple[list[str], list[str]]:
        before: list[str] = []
        after: list[str] = []
        for text in instruction.all_flags("mount"):
            options = dict(_option(word) for word in text.split(","))
            kind = options.get("type", "bind")
            target = options.get("target") or options.get("dst") or options.get("destination")
            if kind in REFUSED_MOUNTS:
                self.stage.mistakes.add(instruction.line, f"RUN --mount=type={kind} is refused: {REFUSED_MOUNTS[kind]}")
            elif kind not in MOUNTS:
                known = ", ".join(MOUNTS)
                self.stage.mistakes.add(instruction.line, f"RUN --mount=type={kind} is unknown; allowed: {known}")
            elif target is None:
                self.stage.mistakes.add(instruction.line, f"RUN --mount=type={kind} has no target=PATH")
            else:
                path = shell_word(self.stage.resolve(self.stage.expand(target)))
                shown = self._shown(instruction, kind, options)
                before.append(shell.call("nsg_cover", path, shown))
                after.insert(0, shell.call("nsg_uncover", path))
        return before, after

    def _shown(self, instruction: Instruction, kind: str, options: dict[str, str]) -> str:
        if kind == "cache":
            self.stage.lose(instruction, "changed", "--mount=type=cache: begins empty in every build")
        if kind == "tmpfs":
            return quote("")
        if kind == "cache" and "from" not in options:
            return quote("")
        source = options.get("source") or options.get("src") or "/"
        return self.copier.stage_mount(instruction, source, options.get("from"))


def _option(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value


def _plain(text: str) -> str:
    """Quote for a shell inside a text that is itself quoted for the definition."""
    return "'" + text.replace("'", "'\\''") + "'"
