"""Programs in what models write: fenced blocks, and what Python makes of them. Nothing here runs anything."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass

FENCE = re.compile(r"[ \t]*(`{3,})[ \t]*([^`]*)$")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a text.

    Attributes:
        language: The first word after its opening fence, in lower case; may be empty.
        code: What stands between its fences, without the last line break.
        end: Where it ends in the text, closing fence included.
        closed: Whether it has a closing fence.
        fence: The backticks that opened it.
    """

    language: str
    code: str
    end: int
    closed: bool
    fence: str = "```"

    @property
    def python(self) -> bool:
        """Whether it says that it holds Python."""
        return self.language.startswith("python") or self.language == "py"


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a text, in order; a fence closes one that was opened by no more backticks."""
    found: list[Block] = []
    opened: tuple[str, str, int] | None = None
    inside: list[str] = []
    place = 0
    for line in text.split("\n"):
        fence = FENCE.match(line)
        place += len(line) + 1
        if opened is None:
            if fence is not None:
                language = fence[2].split()[0].lower() if fence[2].strip() else ""
                opened, inside = (fence[1], language, len(line) - len(line.lstrip(" \t"))), []
        elif fence is not None and not fence[2].strip() and len(fence[1]) >= len(opened[0]):
            found.append(Block(opened[1], "\n".join(inside), place - 1, True, opened[0]))
            opened = None
        else:
            # A block in a list is indented as a whole.
            inside.append(line[min(opened[2], len(line) - len(line.lstrip(" \t"))) :])
    if opened is not None:
        found.append(Block(opened[1], "\n".join(inside), len(text), False, opened[0]))
    return found


def parsed(code: str) -> ast.Module | None:
    """The syntax tree of a program that Python would run; ``None`` if there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
            # Some errors, such as a return outside a function, are found only now.
            compile(tree, "program", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree
