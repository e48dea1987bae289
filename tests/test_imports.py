"""Who may import whom: read off the source, deferred and type-checking imports included."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import archon

ROOT = Path(archon.__file__).resolve().parents[1]
PACKAGES = ("archon", "techniques", "evals", "search")
MAY_IMPORT = {
    "archon": {"archon"},
    "techniques": {"archon", "techniques"},
    "evals": {"archon", "evals"},
    "search": {"archon", "evals", "search"},
}
CLI = "archon.cli"


def _imported(path: Path, module: str) -> Iterator[str]:
    """The full names of all that a file imports, wherever in it the import stands."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            # "from archon import cli" imports archon.cli, so every name is followed too.
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value


@cache
def _graph() -> dict[str, frozenset[str]]:
    """Every module of the four packages with what it imports from them."""
    graph = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            ours = {name for name in _imported(path, module) if name.partition(".")[0] in PACKAGES}
            graph[module] = frozenset(ours)
    return graph


def _is_cli(module: str) -> bool:
    return module == CLI or module.startswith(f"{CLI}.")


def test_the_graph_is_really_read() -> None:
    graph = _graph()
    assert "archon.state" in graph["techniques.vote"]
    assert "archon.errors" in graph["archon.technique"], "imports for type checking count"
    assert {module.partition(".")[0] for module in graph} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_point_one_way(package: str) -> None:
    strays = [
        f"{module} imports {name}"
        for module, names in _graph().items()
        if module.partition(".")[0] == package and not _is_cli(module)
        for name in sorted(names)
        if name.partition(".")[0] not in MAY_IMPORT[package]
    ]
    assert not strays


def test_nothing_imports_the_command_line() -> None:
    strays = [
        f"{module} imports {name}"
        for module, names in _graph().items()
        if not _is_cli(module) and module != "archon.__main__"
        for name in sorted(names)
        if _is_cli(name)
    ]
    assert not strays


def test_the_four_packages_come_from_one_directory() -> None:
    homes = {package: import_module(package).__file__ for package in PACKAGES}
    assert {package: Path(file or "").resolve().parents[1] for package, file in homes.items()} == dict.fromkeys(
        PACKAGES, ROOT
    )


def test_the_public_names_are_agreed_on() -> None:
    assert sorted(archon.__all__) == [
        "Architecture",
        "ArchonError",
        "Ask",
        "Candidate",
        "ChoiceKnob",
        "ConfigError",
        "Context",
        "Engine",
        "Failure",
        "FloatKnob",
        "IntKnob",
        "Message",
        "ModelError",
        "ModelPool",
        "ModelRef",
        "ModelSpec",
        "ParseError",
        "PermanentError",
        "Plan",
        "Price",
        "Result",
        "Reward",
        "RewardField",
        "SampleStore",
        "Sampled",
        "State",
        "Task",
        "Technique",
        "Totals",
        "TransientError",
        "Usage",
        "dump_architecture",
        "load_architecture",
        "open_store",
        "parse_architecture",
        "rewards",
        "run",
        "run_sync",
        "technique",
        "techniques",
    ]
    assert all(hasattr(archon, name) for name in archon.__all__)


def test_a_users_module_that_hides_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "evals.py").write_text("accuracy = None\n")
    done = subprocess.run(
        [sys.executable, "-c", "from archon.cli import main; main(['techniques'])"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "evals.py stands before Archon's own package 'evals'" in done.stderr
    assert "Traceback" not in done.stderr
