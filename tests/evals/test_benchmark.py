"""Cards by name and by file, where rows come from, and what is said when something is wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon import ConfigError
from evals.benchmark import load_benchmark, parse_data
from evals.card import parse_card
from evals.split import SPLITS, HashSplit

CARD = """
name: mine
title: Mine
source: {file: {path: rows.jsonl}}
fields: {answer: answer, id: id}
prompt: |-
  {question}
  Answer in {unit}, in \\boxed{} and {{braces}}.
answer: math
grader: math
"""
ROWS = [{"id": f"q{i}", "question": f"How long is {i}?", "answer": i, "unit": "metres"} for i in range(30)]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def card(tmp_path: Path) -> Callable[..., Path]:
    """Writes a card and its rows."""

    def make(text: str = CARD, rows: list[dict[str, Any]] = ROWS) -> Path:
        write(tmp_path / "rows.jsonl", rows)
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return path

    return make


def test_a_card_by_its_file_reads_the_rows_beside_it(card: Callable[..., Path]) -> None:
    first = load_benchmark(card()).problems()[0]
    assert (first.id, first.reference) == ("q0", "0")
    assert first.messages[-1].content == "How long is 0?\nAnswer in metres, in \\boxed{} and {braces}."
    assert first.fields == {"id": "q0", "unit": "metres", "question": "How long is 0?"}


def test_system_messages_examples_and_conversations(card: Callable[..., Path]) -> None:
    text = CARD.replace("fields: {answer: answer, id: id}", "fields: {question: talk, system: role}")
    text = text.replace("prompt: |-\n  {question}\n  Answer in {unit}, in \\boxed{} and {{braces}}.\n", "")
    talk = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Bye"},
    ]
    text += "system: Be brief.\nexamples: [{user: Good day, assistant: Good}]\n"
    own, plain = load_benchmark(card(text, [{"talk": talk, "role": "Be long."}, {"talk": "Eh?"}])).problems()
    assert [m.role for m in own.messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [m.content for m in own.messages] == ["Be long.", "Good day", "Good", "Hi", "Hello", "Bye"]
    assert [m.content for m in plain.messages] == ["Be brief.", "Good day", "Good", "Eh?"]


def test_rows_without_ids_are_named_by_their_content_and_never_alike(card: Callable[..., Path]) -> None:
    text = CARD.replace(", id: id", "")
    twice = [ROWS[0], ROWS[1], ROWS[0]]
    ids = [p.id for p in load_benchmark(card(text, twice)).problems()]
    assert len(set(ids)) == 3 and ids[2] == f"{ids[0]}-2"
    other = [p.id for p in load_benchmark(card(text, twice[1:])).problems()]
    assert other == [ids[1], ids[0]], "what else is in the file does not matter"


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5))
def test_samples_are_nested_and_keep_the_order(a: int, b: int, seed: int) -> None:
    benchmark = load_benchmark("gsm8k")
    rows = [{"question": f"{i}?", "answer": f"#### {i}"} for i in range(30)]
    whole = benchmark.problems(rows=rows)
    less, more = (benchmark.problems(limit, seed=seed, rows=rows) for limit in sorted((a, b)))
    assert len(less) == min(a, b, 30)
    assert [p for p in whole if p in more] == more
    assert [p for p in more if p in less] == less


def test_another_seed_is_another_sample() -> None:
    rows = [{"question": f"{i}?", "answer": f"#### {i}"} for i in range(60)]
    samples = {tuple(p.id for p in load_benchmark("gsm8k").problems(10, seed=seed, rows=rows)) for seed in range(5)}
    assert len(samples) == 5


def test_splits_are_kept_whatever_limit_and_seed(card: Callable[..., Path]) -> None:
    benchmark = load_benchmark(card())
    parts = {split: {p.id for p in benchmark.problems(split=split)} for split in SPLITS}
    assert set.union(*parts.values()) == {row["id"] for row in ROWS}
    assert sum(map(len, parts.values())) == len(ROWS)
    for split in SPLITS:
        for seed in range(3):
            some = {p.id for p in benchmark.problems(3, split, seed)}
            assert len(some) == min(3, len(parts[split])) and some <= parts[split]


def test_local_rows_take_the_place_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = write(tmp_path / "some.jsonl", [{"question": "1 + 1?", "answer": "#### 2"}])
    named = load_benchmark("gsm8k", parse_data([f"gsm8k={rows}"])).problems()
    assert [p.reference for p in named] == ["2"]
    write(tmp_path / "data" / "gsm8k.jsonl", [{"question": "2 + 2?", "answer": "#### 4"}])
    write(tmp_path / "data" / "bbh" / "navigate.jsonl", [{"input": "Turn left.", "target": "No"}])
    monkeypatch.setenv("ARCHON_DATA", str(tmp_path / "data"))
    assert [p.reference for p in load_benchmark("gsm8k").problems()] == ["4"]
    assert [p.reference for p in load_benchmark("bbh/navigate").problems()] == ["No"]


def test_tables_beside_are_joined(tmp_path: Path) -> None:
    questions = write(tmp_path / "q.jsonl", [{"uid": "u1", "prompt": "Why?"}, {"uid": "u2", "prompt": "How?"}])
    said = {"uid": "u2", "messages": [{"role": "assistant", "content": {"answer": "So."}}]}
    answers = write(tmp_path / "a.jsonl", [said, {**said, "uid": "u1"}])
    data = {"arena-hard-auto": questions, "arena-hard-auto.baseline": answers}
    assert [p.fields["baseline"] for p in load_benchmark("arena-hard-auto", data).problems()] == ["So.", "So."]
    write(answers, [said])
    with pytest.raises(ConfigError, match=r"q\.jsonl:1: there is no baseline whose uid is u1"):
        load_benchmark("arena-hard-auto", data).problems()


def test_a_problem_of_two_benchmarks_is_in_the_same_split_of_both() -> None:
    rows = [{"problem": f"What is {i}?", "solution": f"\\boxed{{{i}}}", "answer": i, "level": 1} for i in range(40)]
    rows = [{**row, "type": "Algebra", "subject": "Algebra", "unique_id": f"test/{row['answer']}"} for row in rows]
    for split in SPLITS:
        first, second = (load_benchmark(name).problems(split=split, rows=rows) for name in ("math", "math-500"))
        assert [p.fields["question"] for p in first] == [p.fields["question"] for p in second]


def test_a_hub_out_of_reach_is_one_sentence_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        load_benchmark("gsm8k").problems()
    said = str(caught.value)
    assert "openai/gsm8k" in said and "--data gsm8k=FILE" in said and "ARCHON_DATA" in said
    assert "\n" not in said
    assert time.monotonic() - started < 60
    with pytest.raises(ConfigError, match=r"--data arena-hard-auto\.baseline=FILE"):
        load_benchmark("arena-hard-auto").problems(rows=[{"uid": "u1", "prompt": "Why?"}])


def test_generated_problems_follow_the_seed() -> None:
    benchmark = load_benchmark("two-digit-addition")
    whole = benchmark.problems()
    assert len(whole) == len({p.id for p in whole}) == 128
    assert benchmark.problems(10) == whole[:10]
    assert benchmark.problems(seed=1) != whole
    assert len(benchmark.problems(200)) == 200
    for problem in whole:
        a, b = map(int, problem.id.split("+"))
        assert problem.reference == str(a + b) and 10 <= a <= 99 and 10 <= b <= 99
    searched = benchmark.problems(20, "search")
    assert len(searched) == 20 and not {p.id for p in searched} & {p.id for p in benchmark.problems(20, "sealed")}


def test_no_more_sums_than_there_are() -> None:
    text = CARD.replace("file: {path: rows.jsonl}", "addition: {digits: 1}").replace(" in {unit},", "")
    card = parse_card(text)
    rows = list(card.source.rows(seed=0, folder=Path()))
    assert len(rows) == 81


def test_families_of_reasoning_gym() -> None:
    pytest.importorskip("reasoning_gym")
    benchmark = load_benchmark("reasoning-gym/chain_sum")
    first = benchmark.problems(5, seed=1)
    assert benchmark.name == "reasoning-gym/chain_sum"
    assert first == benchmark.problems(5, seed=1) == benchmark.problems(9, seed=1)[:5]
    assert [p.fields["question"] for p in first] != [p.fields["question"] for p in benchmark.problems(5, seed=2)]
    assert len({p.id for p in first}) == 5 and first[0].fields["family"] == "chain_sum"
    assert len(benchmark.problems()) == 100
    with pytest.raises(ConfigError, match="did you mean 'chain_sum'"):
        load_benchmark("reasoning-gym/chain_sums").problems()
    with pytest.raises(ConfigError, match=r"say which part, as in reasoning-gym/\w+"):
        load_benchmark("reasoning-gym").problems()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("title: Mine", "titel: Mine"), r"mine\.yaml:3: unknown key 'titel' in a card; did you mean 'title'\?"),
        (("path: rows", "paht: rows"), r"mine\.yaml:4: unknown key 'paht' in source\.file; did you mean 'path'\?"),
        (("file: {", "files: {"), r"mine\.yaml:4: .*unknown source 'files'; did you mean 'file'\?"),
        (("answer: answer,", "anser: answer,"), r"mine\.yaml:5: unknown key 'anser' in fields; did you mean 'answer'"),
        (
            ("answer: math", "answer: maths"),
            r"mine\.yaml:9: answer: unknown answer format 'maths'; did you mean 'math'",
        ),
        (("grader: math", "grader: [math]"), r"mine\.yaml:10: grader: a grader is one kind"),
        (("grader: math", "transform: gpka\ngrader: math"), r"mine\.yaml:10: transform: unknown .* mean 'gpqa'"),
        (("grader: math", "grader: math\njudge: {use: gpt}"), r"mine\.yaml:11: judge.use: "),
        (("grader: math", "grader: math\njudge: {use: a/b, temp: 1}"), r"unknown key 'temp' in judge"),
        (("name: mine", "name: My Own"), r"mine\.yaml:2: name: "),
        (("answer: math\n", ""), r"'answer' is missing"),
    ],
)
def test_mistakes_in_a_card_name_line_and_remedy(change: tuple[str, str], said: str, card: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=said):
        load_benchmark(card(CARD.replace(*change, 1) if "\nanswer" not in change[0] else CARD.replace(*change)))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"id": 1, "question": "?"}], r"mine: .*rows\.jsonl:1: there is no column 'answer'; the row has id, question"),
        ([{"id": 1, "question": "?", "answer": 1}], r"rows\.jsonl:1: there is no column 'unit'"),
        ([{"question": "?", "answer": 1, "unit": "m"}], r"rows\.jsonl:1: there is no column 'id'"),
        ([{"id": 1, "question": [], "answer": 1, "unit": "m"}], r"rows\.jsonl:1: the column 'question' is not a list"),
        ([{"id": 1, "question": [{"role": "x"}], "answer": 1, "unit": "m"}], r"a message in the column 'question'"),
        ([], r"mine: there are no problems\."),
    ],
)
def test_rows_that_are_not_as_the_card_says(rows: list[dict[str, Any]], said: str, card: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=said):
        load_benchmark(card(rows=rows)).problems()


def test_rows_that_a_transform_cannot_read() -> None:
    with pytest.raises(ConfigError, match="row 1: there is no column 'Correct Answer', which gpqa needs"):
        load_benchmark("gpqa-diamond").problems(rows=[{"Record ID": "r", "Question": "?"}])
    with pytest.raises(ConfigError, match="row 1: this row is not as lettered expects it"):
        load_benchmark("mmlu").problems(rows=[{"question": "?", "choices": ["a"], "answer": 7}])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gsm8kk", "did you mean 'gsm8k'"),
        ("gone.yaml", r"gone\.yaml: there is no such file"),
        ("bbh/navigat", "did you mean 'navigate'"),
        ("gsm8k/main", "unknown part"),
        ("two-digit-addition/x", "there is no part 'x'"),
    ],
)
def test_names_that_do_not_exist(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_benchmark(name).problems()


@pytest.mark.parametrize(("given", "said"), [("gsm8k", "NAME=FILE"), ("gsm8k=gone.jsonl", "there is no such file")])
def test_data_that_is_not_there(given: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_data([given])


def test_limits_and_weights_that_leave_nothing() -> None:
    with pytest.raises(ConfigError, match="a limit is 1 or more"):
        load_benchmark("two-digit-addition").problems(0)
    with pytest.raises(ConfigError, match="whose weight is 0"):
        load_benchmark("two-digit-addition").problems(split="guard", splits=HashSplit(guard=0))
