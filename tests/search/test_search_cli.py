"""``archon search`` through the real command, on models behind a server of this machine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from archon.source import load_architecture
from evals.records_io import read_jsonl
from search.space import Space
from tests.commands import Outcome, Run
from tests.loopback import Loopback
from tests.search.hosted import SPACE, UNPRICED, models

ON = ("-b", "two-digit-addition", "--problems", "50")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Loopback]:
    with models() as running:
        (tmp_path / "sums.yaml").write_text(SPACE.format(url=running.base_url), encoding="utf-8")
        (tmp_path / "unpriced.yaml").write_text(UNPRICED.format(url=running.base_url), encoding="utf-8")
        yield running


def run_of(outcome: Outcome) -> Path:
    assert outcome.code in (0, 3), outcome.err
    return Path(json.loads(outcome.out)["run"])


def distinct(server: Loopback) -> Counter[str]:
    return Counter(json.dumps(body, sort_keys=True) for body in server.bodies)


def test_a_search_leaves_a_winner_that_runs_and_says_what_it_is_worth(archon: Run, server: Loopback) -> None:
    outcome = archon("search", "sums.yaml", *ON, "--trials", "10", "--json")
    run = run_of(outcome)
    found = json.loads((run / "search.json").read_text(encoding="utf-8"))
    assert found == json.loads(outcome.out)
    assert load_architecture(run / "winner.yaml").name == found["winner"]["name"]
    assert {load_architecture(path).name for path in (run / "pareto").iterdir()} == {p["name"] for p in found["pareto"]}
    assert set(distinct(server).values()) == {1}, "no sample is bought twice"
    parts = found["problems"]
    assert sum(parts.values()) == 50
    assert found["winner"]["accuracy"]["n"] == parts["search"]
    assert found["guard"]["problems"] == parts["guard"]
    own, *others = found["sealed"]
    assert own["name"] == found["winner"]["name"]
    assert {row["accuracy"]["n"] for row in found["sealed"]} == {parts["sealed"]}
    assert any(row["name"].startswith("single-") for row in others)
    assert "vote-of" in others[-1]["name"]
    assert all(row["winner_minus_this"]["low"] <= row["winner_minus_this"]["high"] for row in others)
    records = read_jsonl(run / "records.jsonl")
    assert sum(r.paid.calls for r in records) >= found["saved"]["paid_calls"]
    assert found["saved"]["paid_calls"] < found["saved"]["calls_anew"]
    problems = [json.loads(line) for line in (run / "problems.jsonl").read_text(encoding="utf-8").splitlines()]
    searched = {row["id"] for row in problems if row["split"] == "search"}
    assert {r.problem for r in records} == searched, "no record of a guarded or sealed problem among the search's"
    assert json.loads((run / "study.json").read_text(encoding="utf-8"))["price_date"] == "2026-11-01"

    # The run again: everything is known, nothing is asked, and the seal stays as it was.
    asked = server.calls
    again = json.loads(archon("search", "--resume", str(run), "--json").out)
    assert server.calls == asked
    assert again["sealed"] == found["sealed"]
    assert (again["winner"], again["pareto"]) == (found["winner"], found["pareto"])
    assert again["progress"]["paid"] == found["progress"]["paid"]

    # An earlier search's trials are known to a later one of the same space, problems and seed.
    later = archon("search", "sums.yaml", *ON, "--trials", "1", "--from", str(run), "--json")
    assert json.loads(later.out)["progress"]["trials"] <= 1
    assert len(json.loads(later.out)["pareto"]) >= 1
    assert json.loads(later.out)["winner"]["accuracy"]["mean"] >= found["winner"]["accuracy"]["mean"] - 0.2


def test_people_read_tables(archon: Run, server: Loopback, tmp_path: Path) -> None:
    known = tmp_path / "known.yaml"
    space = Space.load(tmp_path / "sums.yaml")
    known.write_text(
        f'name: mine\nmodels:\n  m: {{use: openai/large, base_url: "{server.base_url}", '
        'price: {input: 1.0, output: 4.0, date: "2026-11-01"}}\n'
        "layers:\n  - generate: {model: m, n: 3, temperature: 0.5}\n  - vote\nanswer: math\n",
        encoding="utf-8",
    )
    assert space.params_of(load_architecture(known)) is not None
    outcome = archon("search", "sums.yaml", *ON, "--trials", "3", "--known", str(known), "--patience", "50")
    assert outcome.code == 0, outcome.err
    for said in (
        "Winner: sums-", "the search, by which it was chosen", "the guard", "the seal", "calls were paid",
        "single-", "vote-of", "What each layer", "all 3 trials are done",
    ):  # fmt: skip
        assert said in outcome.out, outcome.out
    assert "trial 1 of 3" in outcome.err
    (run,) = (tmp_path / "runs").iterdir()
    first = json.loads((run / "records.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["architecture"] == space.build(space.params_of(load_architecture(known)) or {}).name


def test_a_budget_is_never_overrun_and_more_of_it_goes_on(archon: Run, server: Loopback) -> None:
    outcome = archon("search", "sums.yaml", *ON, "--trials", "8", "--calls", "400", "--parallel", "1", "--json")
    assert outcome.code == 3, outcome.err
    run = run_of(outcome)
    found = json.loads(outcome.out)
    assert found["progress"]["cut"]
    paid = sum(record.paid.calls for record in read_jsonl(run / "records.jsonl"))
    assert paid <= 400
    more = archon("search", "--resume", str(run), "--calls", "100000", "--json")
    assert more.code == 0, more.err
    assert json.loads(more.out)["progress"]["trials"] == 8
    assert set(distinct(server).values()) == {1}


def test_what_cannot_be_searched_is_said_in_a_sentence(archon: Run, server: Loopback, tmp_path: Path) -> None:
    nothing = (tmp_path / "sums.yaml").read_text(encoding="utf-8") + "rules: {calls: {most: 1}}\n"
    (tmp_path / "nothing.yaml").write_text(nothing.replace("[1, 3, 5, 7]", "[3, 5]"), encoding="utf-8")
    archon("search", "nothing.yaml", *ON).is_one_sentence("none of the", "calls turned down")
    archon("search", "unpriced.yaml", *ON, "--objective", "cost_of_pass", "--cost", "usd").is_one_sentence(
        "has no price", "--cost tokens"
    )
    archon("search", "sums.yaml", *ON, "--calls", "5").is_one_sentence("--calls 5 is below one trial")
    archon("search", "sums.yaml", *ON, "--usd", "0.0000001").is_one_sentence("--usd 1e-07 is below one trial")
    archon("search", "sums.yaml", *ON, "--objective", "pareto", "--sampler", "greedy").is_one_sentence("one objective")
    archon("search", "sums.yaml").is_one_sentence("Name a benchmark")
    archon("search").is_one_sentence("Name a search space")
    archon("search", "--resume", str(tmp_path)).is_one_sentence("is not the directory of a search")
    archon("search", "--resume", "x", "--sampler", "tpe").is_one_sentence("only trials, patience")
    archon("search", "sums.yaml", *ON, "--storage", "sqlite:////no/such/x.db").is_one_sentence("cannot be opened")
    (tmp_path / "other.yaml").write_text("name: o\nlayers:\n  - generate: {model: openai/else}\n", encoding="utf-8")
    archon("search", "sums.yaml", *ON, "--known", "other.yaml").is_one_sentence("no setting of sums.yaml builds this")
    assert server.calls == 0
    assert not (tmp_path / "runs").exists()


def test_a_worker_refuses_what_is_not_the_same_where_it_runs(archon: Run, server: Loopback, tmp_path: Path) -> None:
    rows = [{"question": f"{i} + 7", "answer": str(i + 7)} for i in range(10, 60)]
    card = "name: mine\ntitle: M\nsource: {file: {path: none.jsonl}}\nfields: {answer: answer}\n"
    (tmp_path / "mine.yaml").write_text(card + "prompt: What is {question}?\nanswer: math\ngrader: math\n")
    for name, kept in (("a.jsonl", rows), ("b.jsonl", rows[:-3])):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
    url = f"sqlite:///{tmp_path / 'trials.db'}"
    shared = ("--storage", url, "--study", "s")
    begun = archon(
        "search", "sums.yaml", "-b", "mine.yaml", "--data", "mine=a.jsonl", *shared, "--trials", "2", "--json"
    )
    assert begun.code == 0, begun.err
    assert "archon search worker --storage" in begun.err
    archon("search", "worker", *shared, "--data", "mine=b.jsonl").is_one_sentence("are not the same here", "--data")
    archon("search", "worker", "--storage", url, "--study", "t").is_one_sentence("has no such study; it has: s")
    asked = server.calls
    assert archon("search", "worker", *shared).code == 0, "the study is over"
    assert server.calls == asked


def test_the_problems_are_divided_as_one_says(archon: Run, server: Loopback) -> None:
    outcome = archon("search", "sums.yaml", *ON, "--trials", "1", "--split", "1,0,1", "--json")
    parts = json.loads(outcome.out)["problems"]
    assert parts["guard"] == 0
    assert min(parts["search"], parts["sealed"]) > 15
    again = archon("search", "--resume", str(run_of(outcome)), "--json")
    assert json.loads(again.out)["problems"] == parts
    for wrong in ("0,1,1", "1,1", "a,b,c", "1,-1,1"):
        archon("search", "sums.yaml", *ON, "--split", wrong).is_one_sentence("three numbers, such as 60,20,20")
