"""Laws of techniques that make several calls for whole answers: exact calls, no shared draws, anytime answers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.errors import BudgetExhausted, PermanentError
from archon.state import Candidate
from archon.technique import Technique, techniques
from archon.testing import ScriptedModel, rehearse
from techniques import (
    ChainOfVerification,
    Debate,
    Formalize,
    Hint,
    MixtureOfAgents,
    MultiPersona,
    Organize,
    PlanSearch,
    Reflect,
    ReRead,
    RoundTrip,
    SelfRefine,
    SetReason,
    UniversalSelfConsistency,
    Workers,
)
from techniques.steps import Panel
from tests.techniques.budgeted import run_with

SMALL = st.integers(1, 3)
MODELS = st.sampled_from(["a", ("a",), ("a", "b"), ("a", "a", "b")])
ITEMS = "\n".join(f"[{number}] item {number} is {number}" for number in range(1, 10))
ALL: tuple[Technique, ...] = (
    ReRead(model=("m", "k"), n=2),
    MixtureOfAgents(model=("m", "k"), n=2, rounds=2, aggregator="j"),
    Debate(model=("m", "k"), n=2, rounds=3),
    Debate(model="m", n=2, rounds=2, judge="j"),
    Workers(model=("m", "k"), n=1, rounds=2),
    Organize(model="m", n=3),
    PlanSearch(model="m", n=2),
    MultiPersona(model="m", n=2),
    MultiPersona(model="m", personas=("A doctor.",)),
    UniversalSelfConsistency(model="m"),
    SelfRefine(model="m", rounds=2),
    Reflect(model="m", rounds=2),
    Hint(model="m", rounds=2, executions=2),
    ChainOfVerification(model="m", questions=3),
    RoundTrip(model="m"),
    Formalize(model="m", n=2, labels=("1", "2", "3")),
)
# Its probes read Yes or No, which the replies here do not say.
PROBING = SetReason(model="m", items=("a", "b"), options=("4", "5"), k=2)
IDS = [f"{technique.kind}-{number}" for number, technique in enumerate(ALL)]


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.builds(ReRead, model=MODELS, n=SMALL),
        st.builds(MixtureOfAgents, model=MODELS, n=SMALL, rounds=SMALL, aggregator=st.sampled_from("ac")),
        st.builds(Debate, model=MODELS, n=SMALL, rounds=SMALL, judge=st.none() | st.sampled_from("ac")),
        st.builds(Workers, model=MODELS, n=SMALL, rounds=SMALL),
    )
)
def test_panels_make_exactly_the_calls_of_their_formula_and_never_share_a_draw(panel: Panel) -> None:
    # Every reply is the same, so that prompts of different rounds and members are as alike as they can be.
    model = ScriptedModel("The answer is 4.")
    state = rehearse(panel, model, answer="math").state
    members = len(panel.models) * panel.n
    expected = {
        "re_read": members,
        "mixture_of_agents": members * getattr(panel, "rounds", 0) + 1,
        "debate": members * getattr(panel, "rounds", 0) + (getattr(panel, "judge", None) is not None),
        "workers": members * (getattr(panel, "rounds", 0) + 1),
    }
    draws = model.draws()
    assert len(draws) == len(set(draws)) == expected[panel.kind]
    assert len(state.candidates) == (members if panel.kind in ("re_read", "workers") else 1)
    assert not state.failures


@pytest.mark.parametrize("technique", [*ALL, PROBING], ids=[*IDS, PROBING.kind])
def test_equal_replies_never_lead_to_shared_draws(technique: Technique) -> None:
    candidates = [Candidate("is 4", "a"), Candidate("is 4", "b")]
    for reply in (ITEMS, "is 4", ""):
        model = ScriptedModel(reply)
        rehearse(technique, model, candidates=candidates if technique.needs_candidates else (), answer="math")
        assert len(set(model.draws())) == len(model.draws()) > 0


def _first_answer(technique: Technique) -> int:
    """Which call gives the first text that can be an answer."""
    if isinstance(technique, PlanSearch):
        return 4
    return 2 if isinstance(technique, Organize) or technique == MultiPersona(model="m", n=2) else 1


@pytest.mark.parametrize("technique", ALL, ids=IDS)
def test_a_budget_that_ends_midway_leaves_the_best_so_far(technique: Technique) -> None:
    plan = technique.plan(2)
    assert plan is not None
    for calls in range(1, plan.samples + 1):
        model = ScriptedModel(ITEMS)
        result = run_with(calls, technique, model)
        assert len(model.draws()) == min(calls, plan.samples)
        assert (calls < plan.samples) == any(failure.kind == "budget" for failure in result.failures)
        assert (result.text is not None) == (technique.needs_candidates or calls >= _first_answer(technique))
        assert result.error is None or (result.text is None and isinstance(result.error, BudgetExhausted))


@pytest.mark.parametrize("technique", [*ALL, PROBING], ids=[*IDS, PROBING.kind])
def test_the_tests_that_are_to_be_seen_are_seen(technique: Technique) -> None:
    model = ScriptedModel(ITEMS)
    candidates = [Candidate("is 4", "a"), Candidate("is 5", "b")] if technique.needs_candidates else ()
    rehearse(technique, model, candidates=candidates, unit_tests=["SAYS FOUR"], tests_shown=True, answer="math")
    assert all("SAYS FOUR" in "\n".join(m.content for m in request.messages) for request in model.requests)


@pytest.mark.parametrize("technique", [*ALL, PROBING], ids=[*IDS, PROBING.kind])
def test_own_settings_override_the_model_s(technique: Technique) -> None:
    model = ScriptedModel(ITEMS)
    changed = technique.model_copy(update={"temperature": 0.25, "max_tokens": 77})
    candidates = [Candidate("is 4", "a"), Candidate("is 5", "b")] if technique.needs_candidates else ()
    rehearse(changed, model, candidates=candidates, answer="math")
    pieces = getattr(technique, "piece", 77)
    assert all(request.sampling.temperature == 0.25 for request in model.requests)
    assert {request.sampling.max_tokens for request in model.requests} <= {77, pieces}


@pytest.mark.parametrize("kind", sorted({technique.kind for technique in (*ALL, PROBING)}))
def test_sources_are_papers(kind: str) -> None:
    assert "arXiv:" in (techniques()[kind].__doc__ or "")


def test_one_failing_member_does_not_stop_the_others() -> None:
    broken = ScriptedModel(lambda request, index: PermanentError("broken", reason="forbidden"), name="scripted/broken")
    for technique in (
        ReRead(model=("a", "b")),
        MixtureOfAgents(model=("a", "b"), aggregator="a"),
        Debate(model=("a", "b"), n=1),
        Workers(model=("a", "b"), n=1),
    ):
        rehearsal = rehearse(technique, {"a": ScriptedModel("is 4"), "b": broken}, answer="math")
        assert rehearsal.result.error is None
        assert [candidate.text for candidate in rehearsal.state.candidates] == ["is 4"]
        assert {failure.reason for failure in rehearsal.state.failures} == {"broken"}
