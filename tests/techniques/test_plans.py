"""What techniques say beforehand about what they will ask."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.technique import Plan, Technique, techniques
from techniques import (
    BestOfN,
    ChainOfVerification,
    Critique,
    Debate,
    EvaluateTests,
    Formalize,
    Fuse,
    Generate,
    Hint,
    MixtureOfAgents,
    MultiPersona,
    Organize,
    PlanSearch,
    Rank,
    Reflect,
    ReRead,
    RoundTrip,
    Score,
    SelfConsistency,
    SelfRefine,
    SetReason,
    Tournament,
    UnitTests,
    UniversalSelfConsistency,
    Verify,
    Vote,
    Workers,
)
from techniques.rewards import Ensemble, Generative, Http, Judge, Logprob, Pairwise, PassedTests, Rollout

ROOT = Path(__file__).resolve().parents[2]

REWARDS = st.sampled_from(
    [
        Judge(model="a"),
        Logprob(model="b"),
        Generative(model="a", k=3),
        Pairwise(model="a"),
        Rollout(model="b", n=2),
        PassedTests(model="a"),
        PassedTests(execute=True),
        Ensemble(rewards=(Judge(model="a"), Pairwise(model="b"))),
        Http(url="http://127.0.0.1/score"),
    ]
)

BUILT_IN: st.SearchStrategy[Technique] = st.one_of(
    st.builds(Generate, model=st.lists(st.sampled_from("abc"), min_size=1).map(tuple), n=st.integers(1, 9)),
    st.builds(Critique, model=st.just("a")),
    st.builds(Rank, model=st.just("a"), keep=st.integers(1, 9)),
    st.builds(
        Rank, model=st.just("a"), passes=st.integers(1, 4), window=st.integers(4, 9), step=st.none() | st.integers(1, 3)
    ),
    st.builds(
        Tournament,
        model=st.just("a"),
        method=st.sampled_from(["swiss", "all_pairs", "knockout", "pivot"]),
        comparisons=st.none() | st.integers(1, 99),
        pivots=st.integers(1, 9),
        keep=st.integers(1, 9),
    ),
    st.builds(Fuse, model=st.just("a"), n=st.integers(1, 9)),
    st.builds(Verify, model=st.just("a"), first_k=st.none() | st.integers(1, 9)),
    st.builds(UnitTests, model=st.just("a"), n=st.integers(1, 9)),
    st.builds(
        EvaluateTests,
        model=st.just("a"),
        keep=st.none() | st.integers(1, 9),
        first_k=st.none() | st.integers(1, 9),
    ),
    st.builds(EvaluateTests, execute=st.just(True), first_k=st.none() | st.integers(1, 9)),
    st.builds(Vote),
    st.builds(ReRead, model=st.sampled_from(["a", ("a", "b")]), n=st.integers(1, 4)),
    st.builds(
        MixtureOfAgents,
        model=st.sampled_from(["a", ("a", "b")]),
        n=st.integers(1, 4),
        rounds=st.integers(1, 4),
        aggregator=st.just("c"),
    ),
    st.builds(
        Debate,
        model=st.sampled_from(["a", ("a", "b")]),
        n=st.integers(1, 4),
        rounds=st.integers(1, 4),
        judge=st.sampled_from([None, "c"]),
    ),
    st.builds(Workers, model=st.sampled_from(["a", ("a", "b")]), n=st.integers(1, 4), rounds=st.integers(1, 4)),
    st.builds(Organize, model=st.just("a"), n=st.integers(1, 4)),
    st.builds(PlanSearch, model=st.just("a"), n=st.integers(1, 4)),
    st.builds(MultiPersona, model=st.just("a"), personas=st.sampled_from([(), ("x",), ("x", "y")])),
    st.builds(UniversalSelfConsistency, model=st.just("a")),
    st.builds(SelfRefine, model=st.just("a"), rounds=st.integers(1, 4)),
    st.builds(Reflect, model=st.just("a"), rounds=st.integers(1, 4)),
    st.builds(Hint, model=st.just("a"), rounds=st.integers(1, 3), executions=st.integers(1, 3)),
    st.builds(ChainOfVerification, model=st.just("a"), questions=st.integers(1, 4)),
    st.builds(Formalize, model=st.just("a"), n=st.integers(1, 9)),
    st.builds(
        SetReason,
        model=st.just("a"),
        items=st.sampled_from([(), ("x",), ("x", "y")]),
        options=st.sampled_from([(), ("A", "B")]),
        k=st.none() | st.integers(1, 4),
    ),
    st.builds(RoundTrip, model=st.just("a")),
    st.builds(Score, reward=REWARDS),
    st.builds(BestOfN, model=st.just("a"), n=st.integers(1, 9), reward=REWARDS),
    st.builds(SelfConsistency, model=st.just(("a", "b")), n=st.integers(1, 9), reward=st.none() | REWARDS),
)


def plan_of(technique: Technique, candidates: int) -> Plan:
    plan = technique.plan(candidates)
    assert plan is not None
    return plan


@given(BUILT_IN, st.integers(1, 30))
def test_bounds_hold_what_is_expected_and_grow_with_the_candidates(technique: Technique, candidates: int) -> None:
    plan, more = plan_of(technique, candidates), plan_of(technique, candidates + 1)
    assert plan.samples <= plan.most_samples <= more.most_samples
    assert 1 <= plan.candidates <= plan.bound <= more.bound
    assert {ask.model for ask in plan.asks} <= {ref for _, ref in technique.model_refs()}
    made = sum(ask.draws for ask in plan.asks if ask.makes == "candidates")
    assert all(ask.reads <= max(candidates, made) for ask in plan.asks if ask.requests)


def test_every_model_draws_n() -> None:
    plan = plan_of(Generate(model=("a", "b"), n=5), 0)
    assert [(ask.model, ask.requests, ask.draws) for ask in plan.asks] == [("a", 1, 5), ("b", 1, 5)]
    assert plan.candidates == 10


def test_verifying_has_two_steps_and_stops_early_where_it_may() -> None:
    plan = plan_of(Verify(model="a", first_k=2), 8)
    assert [(ask.step, ask.requests, ask.bound, ask.max_tokens) for ask in plan.asks] == [
        (0, 2, 8, None),
        (1, 2, 8, 16),
    ]
    assert (plan.candidates, plan.bound) == (2, 8)
    assert plan_of(Verify(model="a"), 8).samples == 16


def test_rewards_are_asked_after_the_draws() -> None:
    plan = plan_of(BestOfN(model="a", n=4, reward=Pairwise(model="b")), 0)
    assert [(ask.model, ask.step, ask.requests, ask.draws) for ask in plan.asks] == [("a", 0, 1, 4), ("b", 1, 12, 1)]
    assert (plan.candidates, plan.bound) == (1, 1)
    unknown = Rollout(model="b", reward=Judge(model="b"))
    assert BestOfN(model="a", reward=unknown).plan(0) is None
    assert Score(reward=unknown).plan(3) is None


def test_nobody_judges_a_single_candidate() -> None:
    assert plan_of(Rank(model="a"), 1) == Plan((), 1)
    assert plan_of(Tournament(model="a"), 1) == Plan((), 1)


@pytest.mark.parametrize(
    "kind",
    [
        "best_of_n",
        "chain_of_verification",
        "critique",
        "debate",
        "formalize",
        "fuse",
        "generate",
        "hint",
        "mixture_of_agents",
        "multi_persona",
        "organize",
        "plan_search",
        "rank",
        "re_read",
        "reflect",
        "round_trip",
        "score",
        "self_consistency",
        "self_refine",
        "set_reason",
        "tournament",
        "universal_self_consistency",
        "verify",
        "vote",
        "workers",
    ],
)
def test_the_readme_gives_the_same_formula(kind: str) -> None:
    row = re.search(rf"^\| `{kind}` \|.*\| (.+) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert row is not None
    assert row[1] == techniques()[kind].calls
