"""The runner: exact counts, independent repeats, common problems, and nothing asked twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from archon.budget import BudgetSpec
from archon.errors import ConfigError, PermanentError
from archon.models.base import Capabilities, Request
from archon.models.spec import ModelSpec
from archon.store import SampleStore
from archon.testing import ScriptedModel
from evals.graders import Grade, Grader, Problem, Tools
from evals.graders.judge import Judge
from evals.grading import Judged
from evals.records import Record
from evals.runner import Desk
from evals.variants import ablations
from tests.evals.contests import Counting, add, contender, contest, generate, right, sums


async def test_every_contender_is_asked_every_problem_as_often_as_wanted() -> None:
    model = ScriptedModel(right)
    single, vote = contender("single", [generate()]), contender("vote", [generate(3), "vote"])
    records = await contest([single, vote], [sums(4)], model, repeats=3)
    assert Counter((r.architecture, r.repeat) for r in records) == {
        (name, repeat): 4 for name in ("single", "vote") for repeat in range(3)
    }
    order = [r.problem for r in records]
    assert order == ["0+1", "1+1", "2+1", "3+1"] * 6
    assert sum(r.attributed.samples for r in records) == (1 + 3) * 4 * 3
    assert all(r.score == 1.0 and r.status == "done" for r in records)
    spent = [r.spent for r in records if r.architecture == "vote"]
    assert all(
        [(s.layer, s.technique, s.totals.samples) for s in parts] == [("0.generate", "generate", 3)] for parts in spent
    )


async def test_repeats_are_independent_and_the_seed_brings_them_back() -> None:
    draws = []
    for seed in (1, 1, 2):
        model = ScriptedModel(lambda request, index: f"The answer is {request.wire_seed() % 7}.")
        records = await contest([contender("single", [generate()])], [sums(5)], model, repeats=3, seed=seed)
        assert len(set(model.draws())) == 15, "no draw is made twice"
        draws.append([record.text for record in records])
    assert draws[0] == draws[1] != draws[2]


async def test_more_repeats_and_more_problems_leave_the_draws_as_they_were(tmp_path: Path) -> None:
    # Two problems ask the same, and must not be given the same sample.
    twice = replace(sums(3), problems=(add(0, 1), replace(add(0, 1), id="again"), add(1, 1)))
    store = SampleStore(tmp_path / "s.sqlite")
    one = [contender("single", [generate()])]
    model = ScriptedModel(right)
    await contest(one, [twice], model, repeats=2, store=store)
    assert len(set(model.draws())) == 6
    more = replace(twice, problems=(*twice.problems, add(5, 5)))
    await contest(one, [more], model, repeats=3, store=store)
    assert len(model.draws()) == 12
    store.close()


async def test_two_benchmarks_keep_their_names_and_their_graders() -> None:
    model = ScriptedModel(right)
    records = await contest([contender("single", [generate()])], [sums(2, "first"), sums(3, "second")], model)
    assert Counter(r.benchmark for r in records) == {"first": 2, "second": 3}


async def test_architectures_share_the_samples_of_a_common_prefix(tmp_path: Path) -> None:
    store = SampleStore(tmp_path / "s.sqlite")
    model = ScriptedModel(right)
    small, large = contender("vote-3", [generate(3), "vote"]), contender("vote-5", [generate(5), "vote"])
    records = await contest([small, large], [sums(4)], model, store=store)
    assert len(model.draws()) == 5 * 4
    assert sum(r.attributed.samples for r in records) == (3 + 5) * 4
    assert sum(r.paid.samples for r in records) == 5 * 4
    store.close()


async def test_architectures_on_hosted_models_run_at_once() -> None:
    model = ScriptedModel(right, latency=0.02)
    await contest([contender(name, [generate()]) for name in "abc"], [sums(2, "first"), sums(2, "second")], model)
    assert model.most_in_flight == 3 * 4


async def test_so_many_problems_are_under_way_at_a_time() -> None:
    model = ScriptedModel(right, latency=0.01)
    await contest([contender("single", [generate()])], [sums(6)], model, at_once=2)
    assert model.most_in_flight == 2


async def test_what_is_done_is_not_asked_again_and_the_rest_is() -> None:
    one = [contender("single", [generate()])]
    whole = await contest(one, [sums(4)], ScriptedModel(right), repeats=2)
    model = ScriptedModel(right)
    kept: list[Record] = []
    again = await contest(one, [sums(4)], model, repeats=2, done=whole[:5], desk=Desk(keep=kept.append))
    assert len(model.draws()) == 3
    assert len(kept) == 3
    assert [(r.problem, r.repeat, r.text, r.score) for r in again] == [
        (r.problem, r.repeat, r.text, r.score) for r in whole
    ]
    failed = replace(whole[0], status="failed", text=None, score=0.0)
    model = ScriptedModel(right)
    await contest(one, [sums(4)], model, repeats=2, done=[failed, *whole[1:]])
    assert len(model.draws()) == 1


class Crashing(Grader):
    kind: ClassVar[str] = "crashing"

    async def grade(self, problem: Problem, text: str, tools: Tools) -> Grade:
        raise RuntimeError("no ruler at hand")


async def test_a_grader_that_crashes_gives_no_score_and_is_tried_again_without_asking() -> None:
    one = [contender("vote", [generate(2), "vote"])]
    records = await contest(one, [sums(2, grader=Crashing())], ScriptedModel(right))
    assert [(r.status, r.score, [s.score for s in r.samples]) for r in records] == [("done", None, [None, None])] * 2
    assert "no ruler at hand" in records[0].reason
    model = ScriptedModel(right)
    mended = await contest(one, [sums(2)], model, done=records)
    assert not model.requests
    assert [(r.score, [s.score for s in r.samples]) for r in mended] == [(1.0, [1.0, 1.0])] * 2
    assert mended[0].attributed == records[0].attributed


async def test_a_question_without_an_answer_is_wrong() -> None:
    model = ScriptedModel(
        lambda request, index: (
            PermanentError("too long", reason="context", status=400)
            if "1 + 1" in request.messages[-1].content
            else right(request, index)
        )
    )
    records = await contest([contender("single", [generate()])], [sums(3)], model)
    assert [(r.status, r.score) for r in records] == [("done", 1.0), ("failed", 0.0), ("done", 1.0)]
    assert records[1].error and "too long" in records[1].error and records[1].text is None


async def test_a_key_that_is_refused_ends_it_and_keeps_what_there_was() -> None:
    model = ScriptedModel(lambda request, index: PermanentError("who are you", reason="auth", status=401))
    kept: list[Record] = []
    with pytest.raises(ConfigError, match="who are you"):
        await contest([contender("single", [generate()])], [sums(3)], model, desk=Desk(keep=kept.append))
    assert kept and all(r.status == "failed" for r in kept)


async def test_the_pool_is_graded_once_and_carries_the_rewards() -> None:
    def script(request: Request, index: int) -> str:
        return "[2] > [1] > [3]" if "[1]" in request.messages[-1].content else right(request, index)

    grader = Counting(asked=[])
    stack = contender("stack", [generate(3), {"rank": {"model": "m", "keep": 2}}])
    (record,) = await contest([stack], [sums(1, grader=grader)], ScriptedModel(script))
    assert [(s.text, s.score) for s in record.samples] == [
        ("The answer is 1.", 1.0),
        ("The answer is 1.", 1.0),
        ("The answer is 2.", 0.0),
    ]
    # The first two candidates say the same; what the ranking left out stands behind both.
    assert [s.reward for s in record.samples] == [0.0, 0.0, -2.0]
    assert [s.answer for s in record.samples] == ["1", "1", "2"]
    assert len(grader.asked) == 2


async def test_later_turns_are_asked_with_the_answers_before_them() -> None:
    talk = replace(sums(1), problems=(add(1, 1, follow_ups=("Now 2 + 2?", "Now 3 + 3?")),), grader=Judge(), answer=None)
    judge = ScriptedModel("Rating: [10]")
    judged: list[Judged] = []
    talk = replace(talk, judge=ModelSpec(use="openai/judge"))
    model = ScriptedModel(right)
    records = await contest(
        [contender("single", [generate()])], [talk], model, judge=judge, repeats=2, desk=Desk(judged=judged.append)
    )
    assert [(r.problem, r.group, r.repeat) for r in records] == [
        (name, "1+1", repeat) for repeat in (0, 1) for name in ("1+1", "1+1/2", "1+1/3")
    ]
    assert [r.score for r in records] == [1.0] * 6
    last = model.requests[-1].messages
    assert [m.role for m in last] == ["user", "assistant", "user", "assistant", "user"]
    assert [m.content for m in last[1:]] == ["The answer is 2.", "Now 2 + 2?", "The answer is 4.", "Now 3 + 3?"]
    # What the judge costs is no part of what the architecture costs, and the same text is judged once.
    assert sum(r.attributed.calls for r in records) == 6
    assert len(judge.requests) == 3
    assert sum(j.attributed.calls for j in judged) == 3
    # The second turn of the second repetition is missing: it is asked with the answer that is there.
    model = ScriptedModel(right)
    await contest([contender("single", [generate()])], [talk], model, judge=judge, repeats=2, done=records[:4])
    assert [m.content for m in model.requests[0].messages] == ["What is 1 + 1?", "The answer is 2.", "Now 2 + 2?"]
    assert len(model.requests) == 2


async def test_a_later_turn_is_graded_again_after_the_answers_before_it() -> None:
    talk = replace(sums(1), problems=(add(1, 1, follow_ups=("Now 2 + 2?",)),), grader=Crashing())
    one = [contender("single", [generate()])]
    records = await contest(one, [talk], ScriptedModel(right))
    assert [r.score for r in records] == [None, None]
    judge, model = ScriptedModel("Rating: [10]"), ScriptedModel(right)
    judged = replace(talk, grader=Judge(), judge=ModelSpec(use="openai/judge"))
    records = await contest(one, [judged], model, judge=judge, done=records)
    assert not model.requests and [r.score for r in records] == [1.0, 1.0]
    assert "The answer is 2." in judge.requests[-1].messages[0].content


async def test_turns_after_one_without_an_answer_are_wrong() -> None:
    talk = replace(sums(1), problems=(add(1, 1, follow_ups=("Now 2 + 2?",)),))
    model = ScriptedModel(lambda request, index: PermanentError("too long", reason="context", status=400))
    records = await contest([contender("single", [generate()])], [talk], model)
    assert [(r.problem, r.status, r.score) for r in records] == [("1+1", "failed", 0.0), ("1+1/2", "failed", 0.0)]
    assert len(model.requests) == 1


async def test_a_judge_draws_as_often_as_the_grader_asks_and_from_the_store(tmp_path: Path) -> None:
    store = SampleStore(tmp_path / "s.sqlite")
    judge = ScriptedModel(["Rating: [10]", "Rating: [1]"], capabilities=Capabilities(multiple=False))
    problems = sums(2, grader=Judge(samples=2), judge=ModelSpec(use="openai/judge"))
    one = [contender("single", [generate()])]
    for _ in range(2):
        records = await contest(one, [problems], ScriptedModel(right), judge=judge, store=store)
        assert [r.score for r in records] == [0.5, 0.5]
    assert len(judge.requests) == 4
    store.close()


async def test_a_budget_ends_the_spending_of_each_architecture() -> None:
    model = ScriptedModel(right)
    records = await contest([contender("single", [generate()])], [sums(5)], model, budget=BudgetSpec(calls=3))
    assert len(model.requests) == 3
    assert Counter(r.status for r in records) == {"done": 3, "failed": 2}
    assert all(any(kind == "budget" for _, kind, _ in r.failures) for r in records if r.status == "failed")


async def test_an_ablation_buys_nothing_where_it_asks_the_same(tmp_path: Path) -> None:
    store = SampleStore(tmp_path / "s.sqlite")
    model = ScriptedModel(right)
    whole = contender("vote", [generate(3), {"critique": {"model": "m"}}, "vote"])
    await contest([whole], [sums(3)], ScriptedModel(lambda r, i: right(r, i)), store=store)
    without = ablations(whole)
    assert [(c.name, c.without, c.whole) for c in without] == [
        ("vote − 1.critique", "1.critique", "vote"),
        ("vote − 2.vote", "2.vote", "vote"),
    ]
    records = await contest(without, [sums(3)], model, store=store)
    assert not model.requests
    assert {r.architecture for r in records} == {c.name for c in without}
    assert all(r.paid.calls == 0 for r in records)
    assert {r.attributed.calls for r in records if r.architecture == "vote − 1.critique"} == {3}
    store.close()


@pytest.mark.parametrize("layers", [[generate()], [generate(), {"fuse": {"model": "m"}}]])
def test_what_cannot_be_left_out_stays(layers: list[Any]) -> None:
    assert [c.without for c in ablations(contender("a", layers))] == ["1.fuse"][: len(layers) - 1]
