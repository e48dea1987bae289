from __future__ import annotations

import pytest
from pydantic import ValidationError

from archon.models.base import Capabilities
from archon.state import Candidate, Message, Task
from archon.testing import ScriptedModel, rehearse
from techniques import ReRead
from tests.techniques.snapshot import check_snapshot


def test_the_question_is_shown_twice_and_nothing_before_it_is() -> None:
    model = ScriptedModel(["x", "y"])
    task = Task((Message("system", "S"), Message("user", "U"), Message("assistant", "A"), Message("user", "Why {x}?")))
    state = rehearse(ReRead(model="m", n=2), model, task=task).state
    assert state.candidates == (Candidate("x", "1.re_read/m#0"), Candidate("y", "1.re_read/m#1"))
    *before, last = model.requests[0].messages
    assert tuple(before) == task.context
    assert last.content.count("Why {x}?") == 2


def test_two_names_for_one_model_never_share_a_sample() -> None:
    model = ScriptedModel("x")
    rehearse(ReRead(model=("a", "b"), n=2), model)
    assert len(set(model.draws())) == 4


def test_one_request_where_the_endpoint_can_do_several() -> None:
    model = ScriptedModel(["x", "y", "z"], capabilities=Capabilities(multiple=True))
    rehearse(ReRead(model="m", n=3), model)
    assert [request.indices for request in model.requests] == [(0, 1, 2)]


def test_more_draws_begin_with_fewer() -> None:
    few, many = ScriptedModel("x"), ScriptedModel("x")
    rehearse(ReRead(model=("a", "b"), n=1), {"a": few, "b": ScriptedModel("x", name="scripted/b")})
    rehearse(ReRead(model=("a", "b"), n=3), {"a": many, "b": ScriptedModel("x", name="scripted/b")})
    assert set(few.draws()) < set(many.draws())


def test_own_prompts_must_show_the_question() -> None:
    with pytest.raises(ValidationError, match=r"the prompt must contain \{question\}"):
        ReRead(model="m", prompt="Again!")


def test_prompt() -> None:
    model = ScriptedModel("x")
    rehearse(ReRead(model="m"), model)
    check_snapshot("re_read", model.requests[0].messages)
