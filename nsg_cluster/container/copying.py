"""COPY and ADD: what is staged before ``%post``, and the lines that put it in place."""

from __future__ import annotations

import posixpath
import re

from nsg_cluster.container import shell
from nsg_cluster.container.context import Source, SourceError
from nsg_cluster.container.dockerfile import Instruction
from nsg_cluster.container.quoting import quote, quoted_path
from nsg_cluster.container.stage_state import StageState
from nsg_cluster.container.words import Value, WordError, expand, literal, shell_word

__all__ = ["Copier"]

REMOTE = re.compile(r"https?://|ftp://")
REPOSITORY = re.compile(r"git@|git://|ssh://|https?://\S+\.git(#\S*)?$")

# A section of a definition, and with it a line, is short; tar unpacks into the same folder again.
NAMES_AT_ONCE = 100


class Copier:
    """Writes the COPYs and ADDs of a stage."""

    def __init__(self, stage: StageState) -> None:
        self.stage = stage
        self.count = 0
        self.sources: list[str] = []

    def copy(self, instruction: Instruction) -> None:
        """Add what a COPY needs."""
        self._transfer(instruction, unpacks=False)

    def add(self, instruction: Instruction) -> None:
        """Add what an ADD needs: as COPY, but archives are unpacked and addresses fetched."""
        self._transfer(instruction, unpacks=instruction.flag("unpack") != "false")

    def folder_by_host(self, path: str) -> None:
        """Make a folder in an image that has no shell yet."""
        self._by_host(f'mkdir -p "$nsg_root"{path}')

    def stage_mount(self, instruction: Instruction, source: str, origin: str | None) -> str:
        """Stage what a mount shows and return the path in the staging folder, for the shell."""
        if origin is not None:
            return self._from_stage(origin, source)
        found = self._find(instruction, source)
        number = self._next()
        self._pack(found[0], number, ())
        return f"{shell.STAGING}/{number}/{quote(found[0].path)}"

    def _next(self) -> int:
        self.count += 1
        return self.count

    def _transfer(self, instruction: Instruction, *, unpacks: bool) -> None:
        *sources, target = self._arguments(instruction)
        destination = self.stage.destination(self.stage.expand(target), instruction)
        origin = instruction.flag("from")
        if origin is not None:
            origin = self.stage.known(origin, instruction)
            if self.stage.begins_empty:
                self._packed_by(instruction, origin, sources, destination)
                return
        staged = [item for source in sources for item in self._staged(instruction, source, origin, unpacks=unpacks)]
        if len(staged) > 1 and not (literal(destination) or "/").endswith("/"):
            raise WordError(f"{instruction.keyword} of several sources needs a folder: write {target}/")
        self._place(instruction, destination, staged)

    def _arguments(self, instruction: Instruction) -> list[str]:
        words = instruction.items or instruction.text.split()
        if len(words) < 2:
            raise WordError(
                f"{instruction.keyword} needs sources and a destination: {instruction.keyword} SOURCE… TARGET"
            )
        return words

    # What is staged

    def _staged(self, instruction: Instruction, word: str, origin: str | None, *, unpacks: bool) -> list[str]:
        """Stage a source and return the words that name it in the image."""
        for heredoc in instruction.heredocs:
            if re.sub("[\"'\\\\]", "", word) in {f"<<{heredoc.name}", f"<<-{heredoc.name}"}:
                return [self._text(heredoc.name, heredoc.content, expands=heredoc.expands)]
        source = self.stage.known(word, instruction)
        if origin is not None:
            return [self._from_stage(origin, source)]
        if instruction.keyword == "ADD" and REPOSITORY.match(source):
            raise WordError(f"ADD {source}: a repository is not fetched; clone it in a RUN, or beside the Dockerfile")
        if instruction.keyword == "ADD" and REMOTE.match(source):
            return [self._download(instruction, source)]
        found = self._find(instruction, source)
        return [self._from_context(instruction, item, unpacks=unpacks) for item in found]

    def _text(self, name: str, content: str, *, expands: bool) -> str:
        value: Value = (content,)
        if expands:
            value = expand(content, self.stage.lookup, "\\", raw_quotes=True)
        text = literal(value)
        if text is None:
            raise WordError(f"the heredoc '{name}' refers to a variable that only the base image knows; quote its name")
        number = self._next()
        self.stage.result.setup.append(shell.call("nsg_write", str(number), quote(name), quote(text)))
        return f"{shell.STAGING}/{number}/{quote(name)}"

    def _find(self, instruction: Instruction, source: str) -> list[Source]:
        try:
            found = self.stage.context.find(source)
        except SourceError as error:
            raise WordError(f"{instruction.keyword}: {error}") from None
        self.sources += [item.path for item in found]
        return found

    def _from_context(self, instruction: Instruction, source: Source, *, unpacks: bool) -> str:
        number = self._next()
        if unpacks and source.is_archive:
            self.stage.result.setup.append(shell.call("nsg_unpack", str(number), quote(source.path)))
            return f"{shell.STAGING}/{number}"
        exclude = tuple(instruction.all_flags("exclude"))
        self._pack(source, number, exclude)
        staged = f"{shell.STAGING}/{number}"
        if source.path == "." or instruction.flag("parents") in {"", "true"}:
            return staged
        if source.is_folder or posixpath.basename(source.path) == source.name:
            return f"{staged}/{quote(source.path)}"
        old, new = (f'"$nsg_root"{staged}/{quote(name)}' for name in (source.path, source.name))
        self.stage.result.setup.append(f"mv {old} {new}")
        return f"{staged}/{quote(source.name)}"

    def _pack(self, source: Source, number: int, exclude: tuple[str, ...]) -> None:
        words = [quote(word) for word in self.stage.context.tar_options(source, exclude)]
        first = words.index("--") + 1
        options, names = words[:first], words[first:]
        for start in range(0, len(names), NAMES_AT_ONCE):
            line = shell.call("nsg_pack", str(number), *options, *names[start : start + NAMES_AT_ONCE])
            self.stage.result.setup.append(line)

    def _download(self, instruction: Instruction, address: str) -> str:
        number = self._next()
        name = posixpath.basename(re.split("[?#]", address)[0]) or "index"
        checksum = (instruction.flag("checksum") or "").removeprefix("sha256:")
        words = (str(number), quote(name), quote(address), quote(checksum))
        self.stage.result.setup.append(shell.call("nsg_fetch", *words))
        return f"{shell.STAGING}/{number}/{quote(name)}"

    def _from_stage(self, origin: str, source: str) -> str:
        """Stage what another stage has and return what it is called there, a pattern of the shell."""
        staged = f"{shell.STAGING}/{self._next()}"
        # With a slash at its end Apptainer would leave the folder's own name out.
        self._files_from(origin, source.rstrip("/") or "/", f"{staged}/")
        return f"{staged}/." if _is_root(source) else f"{staged}/*"

    def _files_from(self, origin: str, source: str, target: str) -> None:
        files = self.stage.result.layer_files.setdefault(self.stage.plan.label(origin), [])
        files.append([quoted_path(source), target])

    # Putting in place

    def _place(self, instruction: Instruction, destination: Value, staged: list[str]) -> None:
        mode, owner = (self._option(instruction, name) for name in ("chmod", "chown"))
        to = shell_word(destination)
        if self.stage.begins_empty:
            if instruction.flag("chown"):
                self.stage.lose(instruction, "lost", "--chown: files of an image from scratch belong to root")
            names = [f'"$nsg_root"{item}' for item in staged]
            self._by_host(shell.call("nsg_inside", to), shell.call("nsg_place", mode, "''", to, *names))
            return
        self.stage.post(
            shell.note(instruction),
            shell.call("nsg_place", mode, owner, to, *staged),
        )

    def _option(self, instruction: Instruction, name: str) -> str:
        return shell_word(self.stage.expand(instruction.flag(name) or ""))

    def _by_host(self, *lines: str) -> None:
        self.stage.result.setup += lines

    def _packed_by(self, instruction: Instruction, origin: str, sources: list[str], destination: Value) -> None:
        """Let the other stage lay out what is copied, for an image that has no shell to do it."""
        number = self._next()
        paths = [posixpath.join("/", self.stage.known(source, instruction)) for source in sources]
        names = ["/." if _is_root(path) else quote(path) for path in paths]
        packed = f"{shell.PACKED}/{self.stage.stage.index}-{number}"
        to = quote(packed + (literal(destination) or "/"))
        before: list[str] = []
        if instruction.flag("chmod"):
            staged = f"{shell.STAGING}/{packed.rpartition('/')[2]}"
            before = [f"mkdir -p {staged}", f"cp -a {' '.join(names)} {staged}/"]
            names = [f"{staged}/*"]
        place = shell.call("nsg_place", self._option(instruction, "chmod"), "''", to, *names)
        self.stage.result.packed += [(self.stage.plan.label(origin), line) for line in (*before, place)]
        self._files_from(origin, f"{packed}/", "/")


def _is_root(path: str) -> bool:
    return posixpath.normpath(f"/{path}") in {"/", "//"}
