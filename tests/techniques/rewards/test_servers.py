"""Rewards that servers compute, over real connections."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from pydantic import ValidationError

from archon import Architecture, Engine
from archon.errors import ConfigError
from archon.reward import Reward
from archon.state import Candidate, Failure, Message, Task
from archon.testing import Rehearsal, ScriptedModel
from archon.testing_rewards import score
from archon.trace import Event
from techniques.rewards import Http, Pooling
from techniques.rewards.pooling import AGGREGATES, steps_of
from tests.loopback import Answer, Loopback, Script, error, serve

TWO = [Candidate("It is 4.\n\nSure.\n\n", "0.generate/m#0"), Candidate("It is 5.", "0.generate/m#1")]


def _json(value: Any, **settings: Any) -> Answer:
    return Answer(body=json.dumps(value).encode(), **settings)


def _ask(
    script: Script, kind: str, candidates: list[Candidate] = TWO, task: Task | None = None, **settings: Any
) -> tuple[list[float | Failure], Loopback, Rehearsal]:
    with serve(script) as server:
        data = {"url": f"{server.base_url}/reward", "timeout": 5.0, **settings}
        reward: Reward = (Http if kind == "http" else Pooling).model_validate(data)
        scores, rehearsal = score(reward, ScriptedModel("never asked"), candidates, task=task)
    return scores, server, rehearsal


def _reasons(scores: list[float | Failure]) -> list[str]:
    return [given.reason for given in scores if isinstance(given, Failure)]


def test_all_candidates_are_posted_at_once_with_everything_said_before() -> None:
    task = Task((Message("system", "S"), Message("user", "U"), Message("assistant", "A"), Message("user", "Q \ud800")))
    scores, server, _ = _ask(lambda body: _json({"scores": [0.25, 1]}), "http", task=task)
    assert scores == [0.25, 1.0]
    assert server.bodies == [
        {
            "question": "Q \ud800",
            "candidates": [candidate.text for candidate in TWO],
            "context": [{"role": r, "content": c} for r, c in [("system", "S"), ("user", "U"), ("assistant", "A")]],
        }
    ]
    assert server.heads[0].startswith("POST /v1/reward ")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_json({"scores": [0.5]}), "http gave 1 scores for 2 candidates"),
        (_json({"scores": [0.5] * 3}), "http gave 3 scores for 2 candidates"),
        (_json({"scores": 0.5}), "is not of the form"),
        (_json([0.5, 0.5]), "is not of the form"),
        (error(400, "bad form"), "HTTP 400"),
        (error(404, "no such route"), "HTTP 404"),
        (error(307, "elsewhere", location="http://127.0.0.1:9/"), "HTTP 307"),
    ],
)
def test_what_cannot_be_used_leaves_everyone_without_a_score_and_is_asked_once(answer: Answer, reason: str) -> None:
    scores, server, rehearsal = _ask(lambda body: answer, "http")
    assert rehearsal.result.error is None
    assert [reason in told for told in _reasons(scores)] == [True, True]
    assert server.calls == 1


def test_one_score_that_is_none_does_not_spoil_the_other() -> None:
    for bad in ("null", "NaN", "Infinity", "2", "-1", '"high"', "1e999", "true"):
        body = f'{{"scores": [{bad}, 0.5]}}'.encode()
        (first, second), _, _ = _ask(lambda asked, body=body: Answer(body=body), "http")  # type: ignore[misc]
        assert isinstance(first, Failure)
        assert second == 0.5


@pytest.mark.parametrize(
    "fault",
    [
        error(429, "slow down", retry_after="0"),
        error(503, "overloaded", retry_after="0"),
        error(500, "oops", retry_after="0"),
        Answer(drop=True),
        Answer(body=b'{"scores": [0.5, 0.5]}', truncate=True),
        Answer(body=b"<html>"),
    ],
    ids=["429", "503", "500", "dropped", "truncated", "not JSON"],
)
def test_what_may_pass_is_tried_again(fault: Answer) -> None:
    faults = [fault]
    scores, server, _ = _ask(lambda body: faults.pop() if faults else _json({"scores": [0, 1]}), "http")
    assert scores == [0.0, 1.0]
    assert server.calls == 2


def test_a_server_that_never_answers_is_given_up() -> None:
    for answer in (Answer(hang=True), Answer(endless=True)):
        scores, server, _ = _ask(lambda body, answer=answer: answer, "http", timeout=0.1)  # type: ignore[misc]
        assert ["no reply within 0.1 s" in told for told in _reasons(scores)] == [True, True]
        assert 1 <= server.calls <= 4


def test_the_key_is_sent_and_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARD_KEY", "sesame")
    scores, server, _ = _ask(lambda body: error(401, "sesame is no key of ours"), "http", api_key="${REWARD_KEY}")
    assert "authorization: bearer sesame" in server.heads[0].lower()
    assert "HTTP 401" in _reasons(scores)[0]
    assert "sesame" not in str(scores)


def test_a_key_that_is_not_set_or_written_down_is_an_error() -> None:
    _, server, rehearsal = _ask(lambda body: _json({"scores": [1, 1]}), "http", api_key="${REWARD_KEY}")
    assert isinstance(rehearsal.result.error, ConfigError)
    assert "REWARD_KEY is not set" in str(rehearsal.result.error)
    assert server.calls == 0
    with pytest.raises(ValidationError, match="never write the key itself"):
        Http(url="http://127.0.0.1", api_key="sesame")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (_json({"scores": [0, 1]}), "scored"),
        (_json({"scores": 1}), "malformed"),
        (error(401, "no"), "unauthorized"),
        (Answer(hang=True), "timeout"),
    ],
)
async def test_every_request_stands_in_the_trace_without_secrets(answer: Answer, outcome: str) -> None:
    events: list[Event] = []
    with serve(lambda body: answer) as server:
        url = server.base_url.replace("://", "://user:sesame@") + "/path?key=sesame"
        reward = {"http": {"url": url, "timeout": 0.1}}
        layers = [{"generate": {"model": "m", "n": 2}}, {"score": {"reward": reward}}]
        data = {"name": "a", "models": {"m": {"use": "openai/x"}}, "layers": layers}
        architecture = Architecture.model_validate(data)
        model = ScriptedModel("never asked")
        async with Engine(architecture, models={"m": model}, observe=events.append) as engine:
            await engine.run(Task.of("q", id="first"))
    (told,) = [event for event in events if event.kind == "reward"]
    assert (told.question, told.layer) == ("first", "1.score")
    assert {**told.data, "seconds": 0} == {
        "run": 0,
        "reward": "http",
        "host": server.base_url.split("/")[2],
        "candidates": 2,
        "seconds": 0,
        "outcome": outcome,
    }
    assert 0 < told.data["seconds"] < 5
    assert "sesame" not in str(events)


def test_unbounded_scores_are_squashed_in_order() -> None:
    given = [-1e308, -3.0, 0, 2.5, 1e308]
    scores, _, _ = _ask(lambda body: _json({"scores": given}), "http", candidates=[TWO[0]] * 5, squash=True)
    assert scores == pytest.approx([0.0, 1 / (1 + math.exp(3)), 0.5, 1 / (1 + math.exp(-2.5)), 1.0])


def _rows(*rows: Any) -> Answer:
    return _json({"object": "list", "data": [{"index": 0, "object": "pooling", "data": list(rows)}]})


def _prm(body: dict[str, Any]) -> Answer:
    marks = body["messages"][-1]["content"].count("<extra_0>")
    return _rows(*[[0.75, 0.25], [0.5, 0.5]][:marks])


def test_every_step_is_marked_and_scored() -> None:
    candidates = [Candidate("First.\n\n\n\n Second.\n\n"), Candidate("Only.")]
    scores, server, _ = _ask(_prm, "pooling", candidates, model="prm", mark="<extra_0>", aggregate="product")
    assert scores == [0.125, 0.25]
    said = sorted(json.dumps(body["messages"][-1]) for body in server.bodies)
    assert [json.loads(message) for message in said] == [
        {"role": "assistant", "content": "First.<extra_0>Second.<extra_0>"},
        {"role": "assistant", "content": "Only.<extra_0>"},
    ]
    assert {body["model"] for body in server.bodies} == {"prm"}
    assert server.bodies[0]["messages"][0] == {"role": "user", "content": "What is 2 + 2?"}


def test_aggregates() -> None:
    steps = (0.5, 0.25, 1.0)
    assert {name: aggregate(steps) for name, aggregate in AGGREGATES.items()} == {
        "last": 1.0,
        "min": 0.25,
        "mean": pytest.approx(7 / 12),
        "product": 0.125,
    }


def test_no_step_is_empty() -> None:
    assert steps_of("\n\n a \n\n\n\nb\n\n \n\n", "\n\n") == ["a", "b"]
    assert steps_of(" \n\n", "\n\n") == []
    (empty,), server, _ = _ask(_prm, "pooling", [Candidate(" \n\n")], model="prm", mark="<extra_0>")
    assert isinstance(empty, Failure)
    assert server.calls == 0


@pytest.mark.parametrize("row", [2.5, [2.5]])
def test_an_outcome_model_gives_one_number(row: Any) -> None:
    scores, server, _ = _ask(lambda body: _rows(row), "pooling", [TWO[1]], model="rm", squash=True)
    assert scores == [pytest.approx(1 / (1 + math.exp(-2.5)))]
    assert server.bodies[0]["messages"][-1] == {"role": "assistant", "content": "It is 5."}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_rows([0.5, 0.5], [0.5, 0.5]), "2 scores for 1 steps"),
        (_rows(), "0 scores for 1 steps"),
        (_rows([0.9, 0.9]), "not the probabilities of wrong and right"),
        (_rows([0.2, 0.3, 0.5]), "not the probabilities of wrong and right"),
        (_rows([]), "a score is not a number"),
        (_rows(["high"]), "a score is not a number"),
        (_rows(math.nan), "a score is not finite"),
        (_rows(1.5), "a step's score is not a probability"),
        (_json({"data": []}), "is not of the form"),
        (_json("rows"), "is not of the form"),
        (error(404, "no pooling here"), "HTTP 404"),
    ],
)
def test_rows_that_cannot_be_used_are_failures(answer: Answer, reason: str) -> None:
    scores, _, rehearsal = _ask(lambda body: answer, "pooling", [TWO[1]], model="prm", mark="<extra_0>")
    assert rehearsal.result.error is None
    assert reason in _reasons(scores)[0]


def test_one_candidate_without_a_reply_does_not_spoil_the_other() -> None:
    def script(body: dict[str, Any]) -> Answer:
        return error(400, "too long") if "5" in body["messages"][-1]["content"] else _rows(0.5, 0.25)

    (first, second), _, _ = _ask(script, "pooling", model="prm", mark="<extra_0>")
    assert first == 0.25
    assert isinstance(second, Failure)
