"""Instructions of one stage to a spython ``Recipe``: what spython's ``DockerParser`` does line by line, done right.

`StageParser` is a ``DockerParser``: it keeps spython's table from instructions to methods and its ``Recipe`` (install,
environ, files of other stages, labels, ports, volumes, entry point, command, working folder). It replaces every method
of that table in which something is lost (``clusters.md`` 4.1): spython substitutes prefixes of variables, exports
nothing, merges and misreads forms, and forgets order, flags, shells and users.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from spython.main.parse.parsers import DockerParser

from nsg_cluster.container import shell
from nsg_cluster.container.context import Context
from nsg_cluster.container.copying import Copier
from nsg_cluster.container.dockerfile import Instruction, Mistakes, parse, split_words
from nsg_cluster.container.running import RunWriter
from nsg_cluster.container.stage_state import VARIABLE, StageRecipe, StageState
from nsg_cluster.container.stages import SCRATCH, Plan, Stage
from nsg_cluster.container.startup import keep_base_script
from nsg_cluster.container.words import Reference, Value, WordError, in_double_quotes, literal, shell_word

__all__ = ["StageParser"]

# Singularity reads no more than 64 KiB at once; quoting makes text longer.
LONGEST = 30_000


class StageParser(DockerParser):  # type: ignore[misc]
    """Turns the instructions of a stage, and of those it is built on, into a recipe."""

    def __init__(self, stage: Stage, plan: Plan, context: Context, mistakes: Mistakes, escape: str) -> None:
        super().__init__(filename=None, load=False)
        self.state = StageState(stage, plan, context, mistakes, escape)
        self.recipe = {stage.name: self.state.result}
        self.active_layer = stage.name
        self.triggers: list[Instruction] = []
        self.command_stage = -1
        self.current = stage.index
        self.copier = Copier(self.state)
        self.runner = RunWriter(self.state, self.copier)

    def parse(self) -> dict[str, StageRecipe]:
        """Fill the recipe and return it under the stage's name."""
        for link in self.state.stage.chain:
            self.current = link.index
            triggers, self.triggers = self.triggers, []
            for instruction in (*triggers, *link.instructions):
                self.apply(instruction)
        self._finish()
        return self.recipe

    def apply(self, instruction: Instruction) -> None:
        """Do what an instruction says."""
        if len(instruction.text) + sum(len(heredoc.text) for heredoc in instruction.heredocs) > LONGEST:
            sentence = (
                f"{instruction.keyword} is longer than the {LONGEST} letters that a definition can hold in a piece"
            )
            self.state.mistakes.add(instruction.line, f"{sentence}; put the text into a file and COPY that")
        method: Callable[[Instruction], None] = self._get_mapping([instruction.keyword, instruction.text])
        try:
            method(instruction)
        except WordError as error:
            self.state.mistakes.add(instruction.line, str(error))

    def _get_mapping(
        self, line: list[str], parser: object = None, previous: object = None
    ) -> Callable[[Instruction], None]:
        more = {"SHELL": self._shell, "USER": self._user, "ONBUILD": self._onbuild, "MAINTAINER": self._maintainer}
        return more.get(line[0]) or super()._get_mapping(line, parser, previous)  # type: ignore[no-any-return]

    # Instructions, under spython's names

    def _arg(self, instruction: Instruction) -> None:
        for word in split_words(instruction.text, self.state.escape):
            name, has_default, text = word.partition("=")
            default = self.state.expand(text) if has_default else None
            value = (self.state.plan.given[name],) if name in self.state.plan.given else default
            if value is None and name in self.state.plan.arguments:
                value = (self.state.plan.arguments[name],)
            self.state.arguments[name] = value
            if value is not None and name not in self.state.env:
                self.state.arguments.update(self._export([(name, value)], instruction))

    def _env(self, instruction: Instruction) -> None:
        self.state.env.update(self._export(self._pairs(instruction), instruction))

    def _export(self, pairs: list[tuple[str, Value]], instruction: Instruction) -> dict[str, Value]:
        """Set variables in the build, all at once, and return the values that they are known by from then on."""
        for name, _ in pairs:
            if not VARIABLE.fullmatch(name):
                sentence = f"'{name}' is no name of a variable for a shell: letters, digits and '_' are allowed"
                self.state.mistakes.add(instruction.line, sentence)
        if not self.state.begins_empty:
            self.state.post("export " + " ".join(f"{name}={shell_word(value)}" for name, value in pairs))
        # What only the base image knows is from here on the value that the shell has.
        return {name: value if literal(value) is not None else (Reference(name),) for name, value in pairs}

    def _pairs(self, instruction: Instruction) -> list[tuple[str, Value]]:
        """Read ``name=value …`` or the old form ``name value``; values see what was set before the instruction."""
        words = split_words(instruction.text, self.state.escape)
        if "=" not in words[0]:
            name, text = [*instruction.text.split(None, 1), ""][:2]
            if not text:
                raise WordError(f"{instruction.keyword} {name} has no value; write {instruction.keyword} {name}=value")
            return [(name, self.state.expand(text))]
        pairs = [word.partition("=") for word in words]
        for name, equals, _ in pairs:
            if not equals:
                raise WordError(
                    f"{instruction.keyword}: '{name}' has no '='; write {name}=value, with quotes if need be"
                )
        return [(self.state.known(name, instruction), self.state.expand(text)) for name, _, text in pairs]

    def _run(self, instruction: Instruction) -> None:
        if self.state.begins_empty:
            self._leave_scratch()
        self.runner.write(instruction)

    def _leave_scratch(self) -> None:
        self.state.post(*(f"export {name}={shell_word(value)}" for name, value in self._exported()))

    def _exported(self) -> list[tuple[str, Value]]:
        set_arguments = {name: value for name, value in self.state.arguments.items() if value is not None}
        return list({**set_arguments, **self.state.env}.items())

    def _copy(self, instruction: Instruction) -> None:
        self.copier.copy(instruction)

    def _add(self, instruction: Instruction) -> None:
        self.copier.add(instruction)

    def _workdir(self, instruction: Instruction) -> None:
        text = literal(self.state.expand(instruction.text))
        value: Value = (text.rstrip("/") or "/",) if text is not None else self.state.expand(instruction.text)
        self.state.folder = self.state.destination(value, instruction)
        self.state.has_workdir = True
        word = shell_word(self.state.folder)
        if self.state.begins_empty:
            self.copier.folder_by_host(word)
        else:
            self.state.post(shell.note(instruction), self._make(word))
        self.state.result.workdir = word

    def _make(self, path: str) -> str:
        return shell.call("nsg_folder", path, shell_word(self.state.user))

    def _user(self, instruction: Instruction) -> None:
        self.state.user = self.state.expand(instruction.text)
        if literal(self.state.user) not in {"root", "0", "root:root", "0:0"}:
            self.state.lose(
                instruction, "lost", "holds for the RUNs behind it; the image itself runs as whoever starts it"
            )

    def _shell(self, instruction: Instruction) -> None:
        items = instruction.items
        if not items:
            raise WordError('SHELL is written as a JSON list: SHELL ["/bin/bash", "-c"]')
        self.state.shell = tuple(items)

    def _words(self, instruction: Instruction) -> tuple[str, ...]:
        items = instruction.items
        if items is not None:
            return tuple(items)
        if instruction.text.startswith("["):
            self.state.lose(
                instruction, "note", "is no JSON list (strings take double quotes), so it is a line for the shell"
            )
        return (*self.state.shell, instruction.text) if instruction.text else ()

    def _cmd(self, instruction: Instruction) -> None:
        self.state.result.startup = replace(self.state.result.startup, command=self._words(instruction))
        self.state.result.cmd = list(self.state.result.startup.command or ())
        self.command_stage = self.current

    def _entry(self, instruction: Instruction) -> None:
        startup = replace(self.state.result.startup, entrypoint=self._words(instruction))
        # A command that was inherited belonged to the entry point that is replaced.
        keeps = self.command_stage == self.current
        self.state.result.startup = startup if keeps else replace(startup, command=None)
        self.state.result.entrypoint = list(startup.entrypoint or ())

    def _label(self, instruction: Instruction) -> None:
        for name, value in self._pairs(instruction):
            key, text = literal(self.state.expand(name)), literal(value)
            if key is None or text is None:
                raise WordError("LABEL depends on a variable that only the base image knows")
            if re.search(r"\s", key) or text != text.strip() or "\n" in text:
                self.state.lose(
                    instruction, "changed", f"{key}: white space in the name or around the value, or line ends in it"
                )
            self._set_label(re.sub(r"\s", "_", key), " ".join(text.split("\n")).strip())

    def _set_label(self, key: str, text: str) -> None:
        self.state.result.labels = [pair for pair in self.state.result.labels if pair[0] != key] + [[key, text]]

    def _maintainer(self, instruction: Instruction) -> None:
        self._set_label("maintainer", instruction.text)
        self.state.lose(instruction, "changed", "becomes the label 'maintainer'")

    def _volume(self, instruction: Instruction) -> None:
        paths = [self.state.resolve(self.state.expand(word)) for word in instruction.items or instruction.text.split()]
        if not self.state.begins_empty:
            self.state.post(*(self._make(shell_word(path)) for path in paths))
        self.state.result.volumes += paths
        self.state.lose(instruction, "changed", "becomes a folder; bind one of the host there when the image is run")

    def _expose(self, instruction: Instruction) -> None:
        self.state.result.ports += instruction.text.split()
        self.state.lose(
            instruction, "lost", "needs no counterpart: the network is that of the host, all ports are open"
        )

    def _stopsignal(self, instruction: Instruction) -> None:
        self.state.lose(instruction, "lost", "signals reach the program as they are sent")

    def _test(self, instruction: Instruction) -> None:
        if instruction.text.upper() != "NONE":
            self.state.lose(
                instruction, "lost", "nothing asks for health; %test would run once, while the image is built"
            )

    def _onbuild(self, instruction: Instruction) -> None:
        trigger = parse(f"FROM x\n{instruction.text}".encode(), self.state.mistakes.path).instructions[1]
        if trigger.keyword in {"FROM", "MAINTAINER", "ONBUILD"}:
            raise WordError(f"ONBUILD {trigger.keyword} is not allowed")
        self.triggers.append(replace(trigger, line=instruction.line, heredocs=instruction.heredocs))
        if self.current == self.state.stage.index:
            self.state.lose(instruction, "lost", "an image cannot ask for steps in images that are built on it")

    # The end

    def _finish(self) -> None:
        result = self.state.result
        literals = {name: value for name, value in self.state.env.items() if literal(value) is not None}
        # Double quotes, because the shell inside Apptainer that reads these keeps the backslash before a quoted quote.
        result.environ = [f"{name}={in_double_quotes(value)}" for name, value in literals.items()]
        self.state.post(*(shell.call("nsg_keep", name) for name in self.state.env if name not in literals))
        result.startup = replace(result.startup, workdir=result.workdir)

    def keep_base(self, path: str) -> None:
        """Let the base image's own start stay available at this path; scratch has none."""
        if self.state.stage.image != SCRATCH and not self.state.result.startup.entrypoint:
            self.state.post(keep_base_script(path))
            self.state.result.startup = replace(self.state.result.startup, base_script=path)
