"""Words of a Dockerfile: quotes, escapes, and ``$NAME``, ``${NAME:-word}``, … replaced by values.

A value is a tuple of parts: text, and references to variables that only the base image knows. Those stay references
and are evaluated by the shell that builds the image; see `shell_word`. Docker's rules are those of BuildKit's
``shell.Lex``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from nsg_cluster.container.quoting import protect, quote

__all__ = ["Reference", "Value", "WordError", "expand", "in_double_quotes", "literal", "shell_word"]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
OPERATORS = (":-", ":+", ":?", "-", "+", "?", "##", "#", "%%", "%", "//", "/")


class WordError(Exception):
    """A word that is not well formed; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A variable of the base image, with what is done to it."""

    name: str
    operator: str = ""
    word: Value = ()


Value = tuple["str | Reference", ...]
Lookup = Callable[[str], "Value | None"]
"""The value of a variable; ``None`` where it is not set."""


def literal(value: Value) -> str | None:
    """Return a value's text; ``None`` where it refers to the base image."""
    return "".join(map(str, value)) if all(isinstance(part, str) for part in value) else None


def shell_word(value: Value) -> str:
    """Return a word of a shell script that has this value."""
    text = literal(value)
    return quote(text) if text is not None else in_double_quotes(value)


def in_double_quotes(value: Value) -> str:
    """Return a word of a shell script that has this value and is quoted by nothing but double quotes."""
    return f'"{_double_quoted(value)}"'


def _double_quoted(value: Value) -> str:
    out = ""
    for part in value:
        if isinstance(part, str):
            out += protect(re.sub(r'([\\"$`])', r"\\\1", part), '""')
        else:
            out += f"${{{part.name}{part.operator}{_double_quoted(part.word)}}}"
    return out


def expand(text: str, lookup: Lookup, escape: str = "\\", *, raw_quotes: bool = False) -> Value:
    """Return the value of a word: quotes and escapes taken away, variables replaced.

    Args:
        text: The word.
        lookup: Values of variables.
        escape: The escape character.
        raw_quotes: Leave quotes as they are, as in heredocs.

    Raises:
        WordError: A quote or brace is not closed, or ``${NAME:?word}`` finds nothing.
    """
    return _Lexer(text, lookup, escape, raw_quotes=raw_quotes).all()


class _Lexer:
    def __init__(self, text: str, lookup: Lookup, escape: str, *, raw_quotes: bool) -> None:
        self.text, self.lookup, self.escape, self.raw_quotes = text, lookup, escape, raw_quotes
        self.position = 0

    def all(self) -> Value:
        return self._until("")

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def _take(self) -> str:
        char = self._peek()
        self.position += 1
        return char

    def _until(self, end: str) -> Value:
        """Read up to a closing character, which is taken; to the text's end for none."""
        value: Value = ()
        while (char := self._peek()) and char != end:
            if char == "'" and not self.raw_quotes:
                value += self._single()
            elif char == '"' and not self.raw_quotes:
                value += self._double()
            elif char == "$":
                value += self._dollar()
            elif char == self.escape:
                self._take()
                value += (self._take(),)
            else:
                value += (self._take(),)
        if end and not self._take():
            raise WordError(f"'{end}' is missing: a brace is not closed in {self.text}")
        return _joined(value)

    def _single(self) -> Value:
        self._take()
        stop = self.text.find("'", self.position)
        if stop < 0:
            raise WordError(f"a single quote is not closed in {self.text}")
        inner, self.position = self.text[self.position : stop], stop + 1
        return (inner,)

    def _double(self) -> Value:
        self._take()
        value: Value = ()
        while (char := self._peek()) != '"':
            if not char:
                raise WordError(f"a double quote is not closed in {self.text}")
            if char == "$":
                value += self._dollar()
                continue
            self._take()
            if char == self.escape and self._peek() in {'"', "$", self.escape}:
                char = self._take()
            value += (char,)
        self._take()
        return value

    def _dollar(self) -> Value:
        self._take()
        if self._peek() == "{":
            self._take()
            return self._braces()
        match = NAME.match(self.text, self.position)
        if not match:
            return ("$",)
        self.position = match.end()
        return self._value(match[0])

    def _value(self, name: str) -> Value:
        found = self.lookup(name)
        return () if found is None else found

    def _braces(self) -> Value:
        match = NAME.match(self.text, self.position)
        if not match:
            raise WordError(f"a variable's name is missing behind '${{' in {self.text}")
        name, self.position = match[0], match.end()
        if self._peek() == "}":
            self._take()
            return self._value(name)
        operator = next((each for each in OPERATORS if self.text.startswith(each, self.position)), "")
        if not self._peek():
            raise WordError(f"'}}' is missing: a brace is not closed in {self.text}")
        if not operator:
            raise WordError(f"'${{{name}' goes on with none of '}}', {' '.join(OPERATORS)} in {self.text}")
        self.position += len(operator)
        if operator.startswith("/"):
            return self._replaced(name, operator, self._until("/"), self._until("}"))
        return self._modified(name, operator, self._until("}"))

    def _replaced(self, name: str, operator: str, find: Value, into: Value) -> Value:
        texts = [literal(value) for value in (self.lookup(name) or (), find, into)]
        text, pattern, new = texts
        if text is None or pattern is None or new is None:
            raise WordError(f"${{{name}{operator}…}} needs a value that only the base image knows")
        return (re.sub(_regex(pattern), lambda _: new, text, count=1 if operator == "/" else 0),)

    def _modified(self, name: str, operator: str, word: Value) -> Value:
        value = self.lookup(name)
        if value is not None and any(isinstance(part, Reference) for part in value):
            if value != (Reference(name),):
                raise WordError(f"${{{name}{operator}…}} needs a value that only the base image knows")
            return (Reference(name, operator, word),)
        text = None if value is None else literal(value)
        if operator.lstrip(":") in {"-", "+", "?"}:
            return self._conditional(name, operator, word, text)
        pattern = literal(word)
        if pattern is None:
            raise WordError(f"the pattern of ${{{name}{operator}…}} refers to a variable of the base image")
        return (_cut(text or "", operator, pattern),)

    def _conditional(self, name: str, operator: str, word: Value, text: str | None) -> Value:
        is_set = text is not None and (text != "" or not operator.startswith(":"))
        kind = operator[-1]
        if kind == "+":
            return word if is_set else ()
        if not is_set and kind == "?":
            raise WordError(f"{name}: {literal(word) or 'is not set'}")
        return (text or "",) if is_set else word


def _joined(value: Value) -> Value:
    """Return a value with neighboring texts joined."""
    out: list[str | Reference] = []
    for part in value:
        if isinstance(part, str) and out and isinstance(out[-1], str):
            out[-1] += part
        else:
            out.append(part)
    return tuple(out)


def _cut(text: str, operator: str, pattern: str) -> str:
    """Take a prefix (``#``) or a suffix (``%``) off that matches."""
    ends = range(len(text) + 1)
    from_left = operator.startswith("#")
    # The shortest match for one character, the longest for two.
    lengths = ends if len(operator) == 1 else reversed(ends)
    for length in lengths:
        part = text[:length] if from_left else text[len(text) - length :]
        if re.fullmatch(_regex(pattern), part, re.DOTALL):
            return text[length:] if from_left else text[: len(text) - length]
    return text


def _regex(pattern: str) -> str:
    """Return the regular expression of a shell's pattern."""
    parts = re.findall(r"\\.|\[[^\]]+\]|.", pattern, re.DOTALL)
    known = {"*": ".*", "?": "."}
    return "".join(
        known.get(part) or (part.replace("[!", "[^") if part[0] == "[" and len(part) > 1 else re.escape(part[-1]))
        for part in parts
    )
