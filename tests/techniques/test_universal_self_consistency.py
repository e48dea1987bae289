from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.state import Candidate
from archon.testing import ScriptedModel, rehearse
from techniques import UniversalSelfConsistency
from techniques.universal_self_consistency import parse_choice
from tests.techniques.snapshot import check_snapshot

CANDIDATES = (Candidate("four", "a", ("remark",), 0.5), Candidate("4", "b"), Candidate("five", "c"))
REPLIES = (
    st.text()
    | st.text(alphabet="[] 0123\n#")
    | st.lists(st.sampled_from(["[1]", "[ 2 ]", "[99]", "Response 3", "response #", "0", "[" + "1" * 5000 + "]"])).map(
        "".join
    )
)


@settings(max_examples=50, deadline=None)
@given(REPLIES, st.integers(1, 3))
def test_the_choice_is_always_one_of_the_candidates_untouched(reply: str, count: int) -> None:
    candidates = CANDIDATES[:count]
    rehearsal = rehearse(UniversalSelfConsistency(model="m"), ScriptedModel(reply), candidates=candidates)
    (chosen,) = rehearsal.state.candidates
    assert chosen in candidates
    choice = parse_choice(reply, count)
    assert chosen == candidates[choice or 0]
    assert len(rehearsal.model.draws()) == (0 if count == 1 else 1)
    assert bool(rehearsal.state.failures) == (count > 1 and choice is None)


@given(REPLIES, st.integers(1, 9))
def test_parsing_gives_an_index_or_none(reply: str, count: int) -> None:
    choice = parse_choice(reply, count)
    assert choice is None or 0 <= choice < count
    assert parse_choice(f"{reply}\n[{count}]", count) == count - 1


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("[2]", 1),
        ("[1] and [3] say four, so\n[3]", 2),
        ("The most consistent response is Response 2.", 1),
        (" **3** ", 2),
        ("[0] [4]", None),
        ("3 of them say 4", None),
        ("", None),
    ],
)
def test_parsing(reply: str, choice: int | None) -> None:
    assert parse_choice(reply, 3) == choice


def test_parsing_takes_linear_time() -> None:
    started = time.perf_counter()
    for text in ("[" * 100_000, " " * 100_000, "1" * 100_000, "[1" * 50_000, "response " * 20_000):
        parse_choice(text, 3)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("prompt", ["", "{question}", "{candidates}"])
def test_own_prompts_must_show_everything(prompt: str) -> None:
    with pytest.raises(ValidationError, match="the prompt must contain"):
        UniversalSelfConsistency(model="m", prompt=prompt)


def test_prompt() -> None:
    model = ScriptedModel("[2]")
    rehearse(UniversalSelfConsistency(model="m"), model, candidates=CANDIDATES)
    check_snapshot("universal_self_consistency", model.requests[0].messages)
