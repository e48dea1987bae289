"""Search trees: read from a trace, cut to what matters, laid out and drawn."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.cli import main
from archon.models.base import Capabilities
from archon.models.probe import remember_capabilities
from archon.tree import SearchTree, read_trees, view
from archon.treedraw import layout, to_dot, to_svg
from tests.loopback import Answer, serve


def lines(*events: Mapping[str, Any]) -> list[bytes]:
    return [json.dumps({"architecture": "a", "question": "q", "run": 0, **event}).encode() for event in events]


def drawn(*rows: tuple[int, int, str], **place: Any) -> dict[str, Any]:
    nodes = [{"node": node, "parent": parent, "step": step, "tokens": 1} for node, parent, step in rows]
    return {"kind": "tree", "layer": "0.x", "nodes": nodes, **place}


def marked(node: int, mark: str, **place: Any) -> dict[str, Any]:
    return {"kind": "tree", "layer": "0.x", "marks": [{"node": node, "mark": mark}], **place}


STARTED = {"kind": "question_started"}


def steps(tree: SearchTree) -> list[str]:
    return [node.step for node in tree.steps]


def test_a_tree_is_read_with_scores_marks_and_the_chosen_way() -> None:
    scores = {"kind": "tree", "layer": "0.x", "marks": [{"node": 2, "score": 0.2}, {"node": 2, "score": 0.7}]}
    (tree,) = read_trees(
        lines(STARTED, drawn((1, 0, "a"), (2, 0, "b")), scores, drawn((3, 2, "c")), marked(2, "kept"))
        + lines(marked(2, "kept"), marked(3, "chosen"))
    )["q"]
    assert [(node.step, node.depth, node.score) for node in tree.steps] == [
        ("a", 1, None),
        ("b", 1, 0.7),
        ("c", 2, None),
    ]
    assert tree.nodes[2].became == "kept ×2"
    assert tree.chosen == {0, 2, 3}
    assert tree.tokens == 3


def test_the_last_search_of_a_question_counts() -> None:
    """A resumed run numbers its questions anew, and a second task of the same id runs at the same time."""
    old = lines(STARTED, drawn((1, 0, "old"), (2, 1, "older")), marked(2, "chosen"))
    again = lines(STARTED, drawn((1, 0, "new")))
    assert steps(read_trees(old + again)["q"][0]) == ["new"]
    assert steps(read_trees(old + lines(STARTED))["q"][0]) == ["old", "older"], "an attempt that searched nothing"
    second = {"run": 1}
    mixed = lines(STARTED, {**STARTED, **second}, drawn((1, 0, "first")), drawn((1, 0, "second"), **second))
    assert steps(read_trees([*mixed, *lines(drawn((2, 1, "first")))])["q"][0]) == ["second"]
    looped = lines(STARTED, drawn((1, 0, "round 1")), drawn((1, 0, "round 2")))
    assert steps(read_trees(looped)["q"][0]) == ["round 2"]


def test_architectures_layers_and_questions_are_kept_apart() -> None:
    found = read_trees(
        lines(STARTED, drawn((1, 0, "a")), drawn((1, 0, "b"), layer="1.y"), drawn((1, 0, "c"), architecture="z"))
        + lines(drawn((1, 0, "d"), question="other"))
    )
    assert [(tree.architecture, tree.layer, *steps(tree)) for tree in found["q"]] == [
        ("a", "0.x", "a"),
        ("a", "1.y", "b"),
        ("z", "0.x", "c"),
    ]
    assert list(found) == ["q", "other"]


def test_lines_that_are_cut_and_steps_without_a_parent_are_left_out() -> None:
    whole = lines(STARTED, drawn((1, 0, "a")))
    (tree,) = read_trees([*whole, whole[1][:-9], b'["tree"]', *lines(drawn((5, 4, "lost")))])["q"]
    assert steps(tree) == ["a"]


@st.composite
def forests(draw: st.DrawFn) -> SearchTree:
    """Trees of any shape, with scores and any text."""
    size = draw(st.integers(1, 40))
    rows: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    for number in range(1, size + 1):
        row = {"node": number, "parent": draw(st.integers(0, number - 1)), "step": draw(st.text(max_size=8))}
        rows.append(row | draw(st.sampled_from([{}, {"end": "stop"}, {"end": "length"}])))
        if draw(st.booleans()):
            marks.append({"node": number, "score": draw(st.floats(0, 1))})
    if draw(st.booleans()):
        marks.append({"node": draw(st.integers(1, size)), "mark": "chosen"})
    return SearchTree.of(rows, marks)


@given(forests())
def test_the_layout_is_tidy(tree: SearchTree) -> None:
    rows = layout(tree.children)
    assert rows.keys() == tree.nodes.keys()
    assert min(rows.values()) == 0
    for parent, following in tree.children.items():
        assert rows[parent] == pytest.approx((rows[following[0]] + rows[following[-1]]) / 2)
        assert sorted(following, key=rows.__getitem__) == list(following)
    by_depth: dict[int, list[float]] = {}
    for number, node in tree.nodes.items():
        by_depth.setdefault(node.depth, []).append(rows[number])
    for column in by_depth.values():
        column.sort()
        assert all(later - earlier > 1 - 1e-9 for earlier, later in itertools.pairwise(column))


@given(forests(), st.none() | st.integers(0, 45))
def test_a_view_shows_the_chosen_way_and_counts_the_rest(tree: SearchTree, most: int | None) -> None:
    part = view(tree, most)
    shown = {node.number for node in part.shown}
    assert tree.chosen <= shown
    assert all(tree.nodes[number].parent in shown for number in shown)
    assert len(shown) + sum(hidden.all for hidden in part.hidden.values()) == len(tree.nodes)
    if most is not None:
        assert len(shown) - 1 <= max(most, len(tree.chosen) - 1)
    else:
        assert not part.hidden


@given(forests(), st.text(), st.none() | st.integers(0, 45))
def test_pictures_are_well_formed_and_hold_every_step(tree: SearchTree, title: str, most: int | None) -> None:
    part = view(tree, most)
    svg = ElementTree.fromstring(to_svg(part, title, title))
    boxes = svg.findall("{http://www.w3.org/2000/svg}g")
    assert len(boxes) == len(part.shown)
    assert len(svg.findall("{http://www.w3.org/2000/svg}path")) == len(part.shown) - 1
    dot = to_dot(part, title)
    assert all(f"\n  {node.parent} -> {node.number}" in dot for node in part.shown if node.number)


def test_a_long_tree_is_cut_to_the_best() -> None:
    rows = [{"node": n, "parent": 0 if n < 6 else n - 5, "step": f"{n}"} for n in range(1, 11)]
    marks = [{"node": n, "score": n / 10} for n in range(1, 11)]
    part = view(SearchTree.of(rows, [*marks, {"node": 7, "mark": "chosen"}]), 4)
    assert [node.number for node in part.shown] == [0, 2, 5, 7, 10]
    assert str(part.hidden[0]) == "3 more (6 with what follows), best 0.90"


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    said = capsys.readouterr()
    assert stop.value.code == code, said.err
    return said.err if code else said.out


def stepping(body: dict[str, Any]) -> Answer:
    """Writes three steps and stops; judges by how often a text has the digit 1."""
    last = body["messages"][-1]
    if last["role"] == "user" and "rate" in last["content"].lower():
        return Answer((f"Rating: [{1 + last['content'].count('1') % 10}]",))
    done = last["content"].count("step") if last["role"] == "assistant" else 0
    return Answer(("" if done == 3 else f"step {body['seed'] % 1000}" + " and so on" * 12,))


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCHON_CACHE", str(tmp_path / "cache"))
    with serve(stepping) as server:
        remember_capabilities(server.base_url, "m", Capabilities(prefix="continues"))
        models = {"m": {"use": "openai/m", "base_url": server.base_url, "max_tokens": 50}}
        for name, n in (("two", 2), ("three", 3)):
            searching = {"step_best_of_n": {"model": "m", "n": n, "reward": {"judge": {"model": "m"}}}}
            Path(f"{name}.json").write_text(json.dumps({"name": name, "models": models, "layers": [searching]}))
        plain = {"name": "plain", "models": models, "layers": [{"generate": {"model": "m"}}]}
        Path("plain.json").write_text(json.dumps(plain))
        Path("q.jsonl").write_text('{"id": "one", "question": "1?"}\n{"id": "two", "question": "2?"}\n')
        summary = run(capsys, "run", "two.json", "three.json", "--input", "q.jsonl", "--json", "--no-store")
        made = json.loads(summary)["run"]
        assert isinstance(made, str)
        run(capsys, "run", "plain.json", "--input", "q.jsonl", "--runs", "plain", "--no-store")
    return made


def test_the_command_shows_draws_and_refuses(capsys: pytest.CaptureFixture[str], directory: str) -> None:
    shown = run(capsys, "tree", directory, "one", "--architecture", "two")
    assert "question one · two · 0.step_best_of_n" in shown
    assert "1?" in shown
    assert shown.count("●") == 4
    assert "chosen" in shown
    assert max(map(len, shown.splitlines())) <= 100
    both = json.loads(run(capsys, "tree", directory, "one", "--json"))
    assert [(tree["architecture"], tree["steps"]) for tree in both] == [("two", 8), ("three", 12)]
    few = run(capsys, "tree", directory, "two", "--architecture", "three", "--limit", "4")
    assert few.count("○") == 0
    assert "2 more" in few
    choose = ("--architecture", "two", "--layer", "0.step_best_of_n")
    run(capsys, "tree", directory, "one", *choose, "--svg", "t.svg", "--dot", "t.dot")
    assert ElementTree.parse("t.svg").getroot().tag.endswith("svg")
    assert Path("t.dot").read_text().startswith("digraph {")
    (plain,) = Path("plain").iterdir()
    refusals: list[tuple[Sequence[str], str]] = [
        (("runs/none", "one"), f"In runs there are: {Path(directory).name}."),
        ((directory, "three"), "there are: one, two."),
        ((directory, "one", "--architecture", "tow"), "there are: two, three. Did you mean 'two'?"),
        ((directory, "one", "--layer", "1.x"), "there are: 0.step_best_of_n."),
        ((directory, "one", "--svg", "t.svg"), "choose with --architecture or --layer"),
        ((directory, "one", *choose, "--svg", "no/t.svg"), "cannot be written"),
        ((str(plain), "one"), "nothing in it searched over steps; it ran generate."),
    ]
    for arguments, said in refusals:
        assert said in run(capsys, "tree", *arguments, code=2)


def test_the_command_reads_evaluations(capsys: pytest.CaptureFixture[str], directory: str) -> None:
    with serve(stepping) as server:
        remember_capabilities(server.base_url, "m", Capabilities(prefix="continues"))
        for name in ("two", "three", "plain"):
            text = Path(f"{name}.json").read_text()
            data = json.loads(text)
            data["models"]["m"]["base_url"] = server.base_url
            Path(f"{name}.json").write_text(json.dumps(data))
        asking = ("-b", "two-digit-addition", "--limit", "2", "--no-store", "--json")
        searched = json.loads(run(capsys, "eval", "two.json", "three.json", *asking, "--repeats", "2"))["run"]
        plain = json.loads(run(capsys, "eval", "plain.json", *asking))["run"]
    about = json.loads((Path(searched) / "eval.json").read_text())
    (problem, _) = about["benchmarks"][0]["problems"]
    both = json.loads(run(capsys, "tree", searched, problem, "--json"))
    assert [(tree["architecture"], tree["question"], tree["steps"]) for tree in both] == [
        ("two", f"{problem}#0", 8),
        ("three", f"{problem}#0", 12),
    ]
    shown = run(capsys, "tree", searched, f"{problem}#1", "--architecture", "two")
    assert f"question {problem}#1 · two · 0.step_best_of_n" in shown and "+" in shown
    refusals: list[tuple[Sequence[str], str]] = [
        ((searched, "nothing"), f"there are: {problem}#0"),
        ((searched, problem, "--benchmark", "two-digit-adition"), "did you mean 'two-digit-addition'?"),
        ((plain, problem), "nothing in it searched over steps; it ran generate."),
        ((directory, "one", "--benchmark", "x"), "is not the directory of an evaluation and has no benchmarks."),
    ]
    for arguments, said in refusals:
        assert said in run(capsys, "tree", *arguments, code=2)
