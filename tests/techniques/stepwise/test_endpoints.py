"""Searches over real connections to endpoints with habits: the right answer, or a beginning and the reason why."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from archon import Architecture, Engine, Result, Task
from archon.models.base import Capabilities
from archon.models.probe import remember_capabilities
from archon.models.retry import RetryPolicy
from archon.models.template import TEMPLATES
from archon.trace import Event
from techniques.stepwise.proposal import END
from tests.loopback import Answer, Loopback, error, serve

WHOLE = "First we add two.\n\nThen we add two more.\n\nThe answer is 4."
FIRST = WHOLE.partition("\n\n")[0]
CONTINUES = Capabilities(multiple=True, prefix="continues")
ECHOES = Capabilities(multiple=True, prefix="echoes")
CHATML = dict(TEMPLATES["chatml"])
COMPLETES = Capabilities(multiple=True, completions=True, template=CHATML)
CHAT, TEXT = "POST /v1/chat/completions ", "POST /v1/completions "


@dataclass
class Endpoint:
    """A model that knows one answer, behind a server with habits.

    Attributes:
        prefix: What becomes of a trailing assistant message: it is continued, repeated, ignored or refused.
        texts: Whether texts are continued.
        n: Whether several choices are returned.
        stop: Whether stop strings are honoured.
        tells: Whether it is said which one ended a text.
        fails: Which requests fail, by their number from 0.
        delay: Seconds that a completion takes; rewards take none.
        reward: What the reward server says about candidates.
    """

    prefix: str = "continues"
    texts: bool = False
    n: bool = True
    stop: bool = True
    tells: bool = False
    fails: Callable[[int], bool] = lambda number: False
    delay: float = 0.0
    reward: Callable[[list[str]], Answer] = lambda candidates: Answer(body=scored([len(c) / 100 for c in candidates]))
    asked: int = 0

    def __call__(self, body: dict[str, Any]) -> Answer:
        """Answer a request to either server."""
        if "candidates" in body:
            return self.reward(body["candidates"])
        number, self.asked = self.asked, self.asked + 1
        if self.fails(number):
            return error(500, "out of order")
        if "prompt" in body:
            return self.text(body)
        last = body["messages"][-1]
        prefix = last["content"] if last["role"] == "assistant" else ""
        if prefix and self.prefix == "refuses":
            return error(400, "the last message must be the user's")
        text = WHOLE
        if self.prefix != "ignores":
            text = WHOLE[len(prefix) :] if WHOLE.startswith(prefix) else ""
        if "so far:" in last["content"]:
            text = reply(last["content"])
        text, finish, matched = self.ended(text, body)
        if self.prefix == "echoes":
            text = prefix + text
        count = body.get("n", 1) if self.n else 1
        return self.choices({"message": {"content": text}, "finish_reason": finish}, matched, (text,) * count)

    def text(self, body: Mapping[str, Any]) -> Answer:
        """Continue a text that ends with the beginning of an answer."""
        if not self.texts:
            return error(404, "no such route")
        conversation, _, begun = body["prompt"].rpartition(CHATML["answer"])
        assert conversation.startswith("<|im_start|>user\nWhat is 2 + 2?"), conversation
        rest = WHOLE[len(begun) :] if WHOLE.startswith(begun) else ""
        text, finish, matched = self.ended(rest, body)
        count = body.get("n", 1) if self.n else 1
        return self.choices({"text": text, "finish_reason": finish}, matched, (text,) * count)

    def choices(self, choice: dict[str, Any], matched: str | None, texts: tuple[str, ...]) -> Answer:
        """The same choice several times."""
        if self.tells:
            choice["stop_reason"] = matched
        choices = [{"index": index, **choice} for index in range(len(texts))]
        return Answer(texts, fields={"choices": choices}, delay=self.delay)

    def ended(self, text: str, body: Mapping[str, Any]) -> tuple[str, str, str | None]:
        """The text as far as it goes, and why no further."""
        words = re.findall(r"\s*\S+", text)
        most = body.get("max_tokens", len(words))
        places = [place for s in body.get("stop", ()) if (place := text.find(s)) >= 0] if self.stop else []
        matched = body["stop"][0] if places else None
        cut = text[: min(places)] if places else text
        if len(re.findall(r"\s*\S+", cut)) > most:
            return "".join(words[:most]), "length", None
        return cut, "stop", matched


def reply(prompt: str) -> str:
    """The next step, or the rest, of the answer whose beginning a prompt shows."""
    begun = prompt.partition("so far:\n")[2].rpartition("\n\n")[0]
    rest = WHOLE.removeprefix(begun.strip()).strip("\n")
    if not rest or "only the next step" not in prompt:
        return rest or END
    step, more, _ = rest.partition("\n\n")
    return step if more else f"{step} {END}"


def scored(scores: list[Any]) -> bytes:
    return json.dumps({"scores": scores}).encode()


def search(
    endpoint: Endpoint, capabilities: Capabilities | None, *, reward: Any = None, questions: int = 1, **settings: Any
) -> tuple[list[Result], Loopback, list[Event]]:
    """Answer questions by step-level best-of-N on an endpoint that a probe found to have these capabilities."""
    model = {"use": "openai/test", **settings.pop("model", {})}
    budget = settings.pop("budget", None)
    told: list[Event] = []

    async def run(server: Loopback) -> list[Result]:
        http = {"http": {"url": f"{server.base_url}/reward", "unfinished": True}}
        layer = {"model": "m", "n": 3, "reward": reward or http, **settings}
        architecture = Architecture.model_validate(
            {
                "name": "search",
                "models": {"m": {**model, "base_url": server.base_url}},
                "layers": [{"step_best_of_n": layer}],
                "budget": budget,
            }
        )
        retry = RetryPolicy(attempts=2, base=0.0)
        async with Engine(architecture, retry=retry, observe=told.append) as engine:
            tasks = [Task.of(f"What is 2 + 2? ({number})", id=str(number)) for number in range(questions)]
            return list(await asyncio.gather(*(engine.run(task) for task in tasks)))

    with serve(endpoint) as server:
        if capabilities is not None:
            remember_capabilities(server.base_url, "test", capabilities)
        return asyncio.run(run(server)), server, told


RIGHT: dict[str, tuple[Endpoint, Capabilities | None, dict[str, Any]]] = {
    "continues": (Endpoint(), CONTINUES, {}),
    "echoes": (Endpoint(prefix="echoes"), ECHOES, {}),
    "echoes, which the probe did not see": (Endpoint(prefix="echoes"), CONTINUES, {}),
    "refuses to continue": (Endpoint(prefix="refuses"), None, {}),
    "starts over": (Endpoint(prefix="ignores"), None, {}),
    "is asked although it continues": (Endpoint(), CONTINUES, {"steps": "ask"}),
    "answers as a whole": (Endpoint(), CONTINUES, {"steps": "split"}),
    "answers as a whole and refuses to continue": (Endpoint(prefix="refuses"), None, {"steps": "split"}),
    "completes texts": (Endpoint(prefix="refuses", texts=True), COMPLETES, {"max_tokens": 60}),
    "completes texts, as its user says": (
        Endpoint(prefix="refuses", texts=True),
        None,
        {"steps": "complete", "model": {"template": "chatml", "max_tokens": 60}},
    ),
    "completes texts and ignores n": (
        Endpoint(prefix="refuses", texts=True, n=False),
        Capabilities(completions=True, template=CHATML),
        {"max_tokens": 60},
    ),
    "completes texts and ignores stop": (
        Endpoint(prefix="refuses", texts=True, stop=False),
        COMPLETES,
        {"max_tokens": 60},
    ),
    "completes texts and truncates": (Endpoint(prefix="refuses", texts=True), COMPLETES, {"max_tokens": 3}),
    "completes texts to their end": (
        Endpoint(prefix="refuses", texts=True),
        COMPLETES,
        {"steps": "split", "max_tokens": 60},
    ),
    "completes no texts, which the probe found out": (
        Endpoint(prefix="refuses"),
        Capabilities(multiple=True, template=CHATML),
        {"max_tokens": 60},
    ),
    "ignores n": (Endpoint(n=False), Capabilities(prefix="continues"), {}),
    "ignores stop": (Endpoint(stop=False), Capabilities(multiple=True, stop=False, prefix="continues"), {}),
    "ignores stop, which the probe did not see": (Endpoint(stop=False), CONTINUES, {}),
    "ignores stop, and is not probed": (Endpoint(stop=False, prefix="refuses"), None, {}),
    "truncates": (Endpoint(), CONTINUES, {"max_tokens": 3}),
    "truncates whole answers": (Endpoint(), CONTINUES, {"steps": "split", "max_tokens": 5}),
    "truncates what it repeats": (Endpoint(prefix="echoes"), ECHOES, {"max_tokens": 3}),
    "says what ended a step": (Endpoint(tells=True), Capabilities(True, stop_reason=True, prefix="continues"), {}),
    "says that nothing ever ends one": (Endpoint(tells=True, stop=False), CONTINUES, {}),
    "fails now and then": (Endpoint(fails=lambda number: number % 2 == 0), CONTINUES, {}),
}


@pytest.mark.parametrize("habit", RIGHT)
def test_the_answer_is_found_on_an_endpoint_that(habit: str) -> None:
    endpoint, capabilities, settings = RIGHT[habit]
    (result,), _, _ = search(endpoint, capabilities, **settings)
    assert result.error is None, result.error
    assert result.text == WHOLE
    assert not result.failures


def test_an_endpoint_that_says_what_ended_a_step_is_not_asked_for_an_empty_one() -> None:
    told = Capabilities(multiple=True, stop_reason=True, prefix="continues")
    _, server, _ = search(Endpoint(tells=True), told)
    chats = [body for body in server.bodies if "messages" in body]
    assert len(chats) == 3
    _, server, _ = search(Endpoint(), CONTINUES)
    assert len([body for body in server.bodies if "messages" in body]) == 4


@pytest.mark.parametrize(
    ("capabilities", "steps", "route"),
    [
        (COMPLETES, "auto", TEXT),
        (replace(COMPLETES, prefix="continues"), "auto", CHAT),
        (replace(COMPLETES, prefix="continues"), "complete", TEXT),
        (replace(COMPLETES, completions=False), "complete", TEXT),
        (replace(COMPLETES, template=None), "auto", CHAT),
    ],
)
def test_texts_are_completed_where_that_is_asked_for_or_nothing_better_is_known(
    capabilities: Capabilities, steps: str, route: str
) -> None:
    (result,), server, _ = search(Endpoint(texts=True), capabilities, steps=steps, max_tokens=60)
    assert result.text == WHOLE
    asked = [head for head in server.heads if "/reward" not in head]
    assert all(head.startswith(route) for head in asked), "every step is asked for over the same route"


def test_completed_texts_are_counted_as_chats_are() -> None:
    chat, text = (
        search(Endpoint(texts=True), replace(COMPLETES, prefix="continues"), steps=steps, max_tokens=60)[0][0].totals
        for steps in ("continue", "complete")
    )
    assert (text.calls, text.usage.completion) == (chat.calls, chat.usage.completion)
    assert text.usage.prompt > 0


def test_what_an_endpoint_wrote_beyond_a_stop_string_is_paid_for() -> None:
    (result,), _, _ = search(Endpoint(stop=False), CONTINUES, n=1)
    # Every step but the empty one costs all that is left of the answer, in words.
    assert result.totals.usage.completion == 13 + 9 + 4


BROKEN: dict[str, tuple[Endpoint, Capabilities | None, dict[str, Any], str, str]] = {
    "starts over, which the probe did not see": (Endpoint(prefix="ignores"), ECHOES, {}, FIRST, "did not"),
    "refuses to continue, which the probe did not see": (
        Endpoint(prefix="refuses"),
        CONTINUES,
        {},
        FIRST,
        "must be the user's",
    ),
    "breaks down in the middle": (Endpoint(fails=lambda number: number > 0), CONTINUES, {}, FIRST, "out of order"),
    "has too small a limit": (Endpoint(), CONTINUES, {"limit": {"calls": 4}}, FIRST, "limit of 4 calls"),
    "has too small a budget": (Endpoint(), CONTINUES, {"budget": {"calls": 1}}, FIRST, "budget"),
    "drops log-probabilities": (Endpoint(), CONTINUES, {"reward": {"logprob": {"model": "m"}}}, FIRST, "no score"),
    "gets rewards that are no numbers": (
        Endpoint(reward=lambda candidates: Answer(body=scored([float("nan")] * len(candidates)))),
        CONTINUES,
        {},
        FIRST,
        "",
    ),
    "gets too few rewards": (Endpoint(reward=lambda c: Answer(body=scored([]))), CONTINUES, {}, FIRST, "0 scores for"),
    "gets no rewards": (Endpoint(reward=lambda c: error(400, "no such model")), CONTINUES, {}, FIRST, "no such model"),
}


@pytest.mark.parametrize("habit", BROKEN)
def test_a_beginning_and_the_reason_are_left_by_an_endpoint_that(habit: str) -> None:
    endpoint, capabilities, settings, text, reason = BROKEN[habit]
    (result,), _, _ = search(endpoint, capabilities, **settings)
    assert result.error is None, result.error
    assert result.text == text
    reasons = [failure.reason for failure in result.failures]
    assert len(reasons) >= 2
    assert reason in reasons[0]
    assert "no answer was completed" in reasons[-1]


@pytest.mark.parametrize(
    ("endpoint", "capabilities", "settings", "reason"),
    [
        (Endpoint(n=False), CONTINUES, {}, "asked for 3 choices and got 1"),
        (Endpoint(fails=lambda number: True), CONTINUES, {}, "out of order"),
        (Endpoint(), None, {"steps": "continue"}, "not known to continue"),
        (Endpoint(texts=True), None, {"steps": "complete"}, "needs the chat template of 'm'"),
        (Endpoint(texts=True), COMPLETES, {"steps": "complete"}, "continued needs `max_tokens`"),
        (Endpoint(), COMPLETES, {"steps": "complete", "max_tokens": 60}, "HTTP 404: no such route"),
        (Endpoint(texts=True, n=False), COMPLETES, {"steps": "complete", "max_tokens": 60}, "3 choices and got 1"),
        (Endpoint(), Capabilities(logprobs=False), {"reward": {"logprob": {"model": "m"}}}, "no log-probabilities"),
    ],
)
def test_nothing_but_an_error_is_left_by(
    endpoint: Endpoint, capabilities: Capabilities | None, settings: dict[str, Any], reason: str
) -> None:
    (result,), _, _ = search(endpoint, capabilities, **settings)
    assert reason in str(result.error)


@pytest.mark.parametrize("steps", ["continue", "ask", "split"])
def test_bounds_hold_however_much_runs_at_once(steps: str) -> None:
    """Twelve questions at once: in flight, per question in calls, and in the tokens of a search."""
    slow = Endpoint(delay=0.01)
    settings = {"steps": steps, "max_tokens": 16, "model": {"concurrency": 4}, "budget": {"calls": 7}}
    results, server, told = search(slow, CONTINUES, questions=12, limit={"tokens": 160}, **settings)
    # One request for rewards may be there beside the model's four.
    assert 1 < server.most_in_flight <= 4 + 1
    for result in results:
        assert result.error is None
        assert result.totals.calls <= 7
        assert result.totals.usage.completion <= 160
        assert WHOLE.startswith(result.text or "nothing")
    assert any("nodes" in event.data for event in told if event.kind == "tree")
