"""Finds programs in what models write, and tests in what they write about programs. Nothing here runs anything."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Collection, Iterator, Sequence

from archon.programs import DEFINITIONS, blocks, parsed

CALLED = re.compile(r"\b([A-Za-z_]\w{0,99})[ \t]?\(")
BEGINNING = re.compile(r"^(?:def|async def|class|import|from|@)\b", re.MULTILINE)
# How many lines a stub in the middle of prose may be taken to begin at.
BEGINNINGS = 20


def stub_of(question: str) -> str | None:
    """The code that a question gives to go on from, such as a function without its body; ``None`` if there is none."""
    places = [match.start() for match, _ in zip(BEGINNING.finditer(question), range(BEGINNINGS), strict=False)]
    codes = [block.code for block in blocks(question) if block.python or not block.language]
    for code in (*codes, question, *(question[place:] for place in places)):
        tree = parsed(code)
        if tree is not None and any(isinstance(node, DEFINITIONS) for node in tree.body):
            return code
    return None


def program_of(answer: str, question: str) -> tuple[str, ...] | None:
    """The program that an answer to a question is, in parts that run one after the other.

    It is the longest block that is Python, one with definitions before any other; or else the whole answer; or else
    what makes a program when it stands below the question's stub, such as the body of its function. Imports and
    definitions of the stub come first. ``None`` if there is no program.
    """
    stub = stub_of(question)
    codes = [block.code for block in blocks(answer) if block.python or not block.language] or [answer]
    trees = [(code, tree) for code in codes if code.strip() and (tree := parsed(code)) is not None]
    if trees:
        code, _ = max(trees, key=lambda item: (any(isinstance(n, DEFINITIONS) for n in item[1].body), len(item[0])))
        return (*([] if stub is None else [_definitions(stub)]), code)
    for code in sorted(codes, key=len, reverse=True) if stub is not None else ():
        for body in (code, textwrap.indent(code, "    ")):
            whole = f"{stub.rstrip()}\n{body}" if stub is not None else body
            if code.strip() and parsed(whole) is not None:
                return (whole,)
    return None


def parse_code_tests(reply: str, most: int, question: str) -> list[str]:
    """The first ``most`` different tests in a reply, each a program of its own that fails by an exception.

    A test is a statement with an ``assert`` in it, a function without parameters whose name begins with ``test`` (to be
    called by who runs it), or such a method of a class of ``unittest``. Imports, helpers and values from above it come
    with it, but nothing that would take the place of what the question asks for. Where code
    cannot be read, lines that begin with ``assert`` count.
    """
    asked = frozenset(CALLED.findall(question))
    codes = [block.code for block in blocks(reply) if block.python or not block.language] or [reply]
    trees = [tree for code in codes if (tree := _readable(code)) is not None]
    tests = [test for tree in trees for test in _tests(tree, asked)]
    if not trees:
        lines = (line[line.find("assert ") :].rstrip(" \t`") for line in reply.split("\n") if _begins_with_assert(line))
        tests = [line for line in lines if parsed(line) is not None]
    return list(dict.fromkeys(tests))[:most]


def _begins_with_assert(line: str) -> bool:
    before, found, _ = line.partition("assert ")
    return bool(found) and not any(character.isalpha() for character in before)


def _readable(code: str) -> ast.Module | None:
    """The syntax tree of code, without its last lines if they were cut off."""
    tree = parsed(code)
    if tree is None and "\n" in code:
        lines = code.split("\n")
        # A reply breaks off within a statement, and the last one that begins at the margin is that one.
        last = max((number for number, line in enumerate(lines) if line[:1].strip()), default=0)
        tree = parsed("\n".join(lines[:last]))
    return tree


def _tests(tree: ast.Module, asked: Collection[str]) -> Iterator[str]:
    above: list[ast.stmt] = []
    for node in _statements(tree):
        asserts = any(isinstance(inner, ast.Assert) for inner in ast.walk(node))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test") and asserts and not _parameters(node):
            yield from _source((*above, node))
        elif isinstance(node, ast.ClassDef) and (methods := _methods(node)):
            for method in methods:
                call = f"{node.name}({method!r}).debug()"
                yield from (f"{source}\n{call}" for source in _source((*above, node)))
        elif isinstance(node, DEFINITIONS):
            above += [node] if node.name not in asked else []
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias for alias in node.names if (alias.asname or alias.name) not in asked]
            node.names = names
            above += [node] if names else []
        elif asserts or _checks(node, above):
            yield from _source((*above, node))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            above.append(node)


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements at the margin, and those that only run in the main program."""
    for node in tree.body:
        guards = isinstance(node, ast.If) and any(
            isinstance(inner, ast.Name) and inner.id == "__name__" for inner in ast.walk(node.test)
        )
        yield from node.body if guards and isinstance(node, ast.If) else (node,)


def _methods(node: ast.ClassDef) -> list[str]:
    """The tests of a class of ``unittest``."""
    if not any(ast.unparse(base).endswith("TestCase") for base in node.bases):
        return []
    return [inner.name for inner in node.body if isinstance(inner, ast.FunctionDef) and inner.name.startswith("test")]


def _parameters(node: ast.FunctionDef) -> int:
    arguments = node.args
    return len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)


def _checks(node: ast.stmt, above: Sequence[ast.stmt]) -> bool:
    """Whether a statement calls a function from above that asserts something, such as ``check(add)``."""
    called = node.value.func if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None
    return isinstance(called, ast.Name) and any(
        isinstance(other, ast.FunctionDef)
        and other.name == called.id
        and any(isinstance(inner, ast.Assert) for inner in ast.walk(other))
        for other in above
    )


def _definitions(stub: str) -> str:
    """The imports and definitions of a stub; what else a question's code does is not to be done."""
    tree = parsed(stub)
    wanted = (*DEFINITIONS, ast.Import, ast.ImportFrom)
    kept = [node for node in (tree.body if tree is not None else ()) if isinstance(node, wanted)]
    return "".join(_source(kept))


def _source(nodes: Sequence[ast.stmt]) -> Iterator[str]:
    """The source of statements; nothing where it cannot be written, as with an integer of too many digits."""
    try:
        yield ast.unparse(ast.Module(list(nodes), []))
    except (ValueError, RecursionError):
        return
