"""The program that a reply is: a fenced block, the whole of it, or what goes on where the prompt ends."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Collection, Iterator

from archon.programs import blocks, parsed

# A base model that was not stopped goes on with other things; the program is what Python can still read.
MOST_LINES = 200
_BEGINNING = re.compile(r"^(?:(?:def|async def|class|import|from)\b|@)", re.MULTILINE)
_READS = re.compile(r"\binput\s*\(|\bstdin\b|\bopen\s*\(\s*0\b|\bfileinput\b")


def defined(code: str) -> frozenset[str]:
    """The names of the functions, classes and values that a program defines at its margin."""
    tree = parsed(code)
    found: set[str] = set()
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return frozenset(found)


def called(tests: Collection[str]) -> frozenset[str]:
    """The names that tests call."""
    trees = [tree for test in tests if (tree := parsed(test)) is not None]
    calls = (node.func for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    return frozenset(call.id for call in calls if isinstance(call, ast.Name))


def written(text: str) -> list[str]:
    """Where a program may stand in a reply: its blocks of Python, else those that name no language, else all of it."""
    found = blocks(text)
    python = [block.code for block in found if block.python]
    return python or [block.code for block in found if not block.language] or ([] if found else [text])


def defining(text: str, names: Collection[str], stub: str = "") -> tuple[str, ...] | None:
    """A program that defines one of the names, in parts that run one after the other.

    The last block that does, or the whole text, or what is code in it. Where none does, the text or a block may go on
    where the stub ends, as completions do: as it is written, or indented like the body of a function; a text without
    blocks also without its last lines, if Python cannot read them. In either case the stub comes first, with its
    imports and helpers.

    Args:
        text: The reply.
        names: The functions or classes that are asked for.
        stub: The code in the prompt, which may end within a function.

    Returns:
        The parts, or ``None`` if there is no such program.
    """
    codes, wanted, fenced = written(text), frozenset(names), bool(blocks(text))
    whole = next((code for code in reversed(codes) if defined(code) & wanted), None)
    if whole is None and not fenced and defined(within := _within(text)) & wanted:
        whole = within
    if whole is not None:
        return (stub, whole) if stub.strip() and parsed(stub) is not None else (whole,)
    if not stub.strip():
        return None
    for code in reversed(codes):
        readable = (joined for joined in _continued(stub, code, cut=not fenced) if parsed(joined) is not None)
        if (first := next(readable, None)) is not None:
            return (first,)
    return None


def reading(text: str) -> str | None:
    """A program that reads its input: the last block that does, else the last that is a program; ``None`` if none."""
    good = [code for code in written(text) if code.strip() and parsed(code) is not None]
    return next((code for code in reversed(good) if _READS.search(code)), good[-1] if good else None)


def syntax_error(text: str) -> str:
    """What Python says of the program in a reply that it cannot read; empty if there is none or it can."""
    fenced = bool(blocks(text))
    for code in reversed(written(text)):
        # Prose is no program with a mistake in it.
        if fenced or re.search(r"^\s*(?:def|class|import|from|print|for|while)\b", code, re.MULTILINE):
            try:
                compile(code, "program", "exec", dont_inherit=True)
            except SyntaxError as error:
                return f"{error.msg} (line {error.lineno})"
            except (ValueError, RecursionError, MemoryError) as error:
                return f"{type(error).__name__}: {error}"
    return ""


def _within(text: str) -> str:
    """The program in a text without blocks: from its first definition or import to the last line Python can read."""
    start = _BEGINNING.search(text)
    lines = text[start.start() :].split("\n")[:MOST_LINES] if start else []
    ends = ("\n".join(lines[:count]) for count in range(len(lines), 0, -1))
    return next((code for code in ends if parsed(code) is not None), "")


def _continued(stub: str, code: str, *, cut: bool) -> Iterator[str]:
    """The stub with a completion below it, in all readings, from the most literal one on."""
    line_end = "" if stub.endswith("\n") else "\n"
    bodies: tuple[Callable[[str], str], ...] = (
        lambda body: stub + body,
        lambda body: f"{stub}{line_end}{body}",
        # A reply that was stripped has lost the indentation of its first line.
        lambda body: f"{stub}{line_end}    {body.lstrip()}",
        lambda body: f"{stub}{line_end}{textwrap.indent(body, '    ')}",
    )
    yield from (join(code) for join in bodies)
    lines = code.split("\n")[:MOST_LINES] if cut else []
    for count in range(len(lines) - 1, 0, -1):
        if lines[count - 1].strip():
            yield from (join("\n".join(lines[:count])) for join in bodies)
