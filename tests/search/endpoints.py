"""The models of a simulated world behind a real server, which real techniques ask over HTTP.

Simulated: what is said follows from the laws of :mod:`search.laws`, to which :class:`search.simulated.World` holds
too. The techniques, the engine, the client and the server are real, so that both coming to the same shows that the
world describes what the techniques do.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from archon.state import Message
from evals.contest import ProblemSet
from evals.graders.answers import Math
from evals.graders.base import Problem
from search.acting import lasting
from search.laws import WRONG, Floats, Ints, Role, SimulatedModel
from search.simulated import World
from techniques import critique, fuse, rank, verify
from techniques.rewards import logprob
from tests.loopback import Answer

RIGHT, STEP = 0, 100
"""An answer is told by its last digits: problem 17 has the answers 1700, which is right, and 1701 to 1720."""


def problem_set(count: int) -> ProblemSet:
    """The first problems of any world."""
    problems = (
        Problem(str(p), (Message("user", f"This is problem {p}."),), reference=str(STEP * p)) for p in range(count)
    )
    return ProblemSet("simulated", tuple(problems), Math())


def pattern(template: str) -> re.Pattern[str]:
    """What reads the values back out of a rendered template."""
    parts = re.split(r"\{([a-z_]+)\}", template)
    found = [re.escape(part) if i % 2 == 0 else f"(?P<{part}>.*?)" for i, part in enumerate(parts)]
    return re.compile("".join(found), re.DOTALL)


RANK, CRITIQUE, FUSE, VERIFY, SCORE = (pattern(module.PROMPT) for module in (rank, critique, fuse, verify, logprob))


class Endpoints:
    """Says what the models of a world say; a script for :func:`tests.loopback.serve`."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __call__(self, body: dict[str, Any]) -> Answer:
        """Answer one request."""
        messages = [(message["role"], message["content"]) for message in body["messages"]]
        if found := SCORE.fullmatch(messages[-1][1]):
            return self._score(_One(self.world, body["model"], 0.0, messages), found["candidate"] + found["note"])
        said = json.dumps([body["model"], messages, body.get("seed"), body.get("temperature")])
        one = _One(self.world, body["model"], body.get("temperature", 0.7), messages)
        return Answer(texts=tuple(one.say(_luck(f"{said} {index}")) for index in range(body.get("n") or 1)))

    def _score(self, one: _One, candidate: str) -> Answer:
        # What a judge makes of a text is the same whenever it is asked.
        view = one.view("score", _answers(candidate), _luck(f"{one.reference} {candidate}"))
        yes = float(self.world.laws.probability(one.model.ability, view)[0])
        top = [{"token": word, "logprob": math.log(p)} for word, p in (("Yes", yes), ("No", 1 - yes))]
        token = {**max(top, key=lambda word: float(str(word["logprob"]))), "top_logprobs": top}
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": token["token"]},
            "finish_reason": "stop",
            "logprobs": {"content": [token]},
        }
        usage = {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101}
        return Answer(body=json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode())


class _One:
    """One request to one model about one problem."""

    def __init__(self, world: World, model: str, temperature: float, messages: Sequence[tuple[str, str]]) -> None:
        self.world = world
        self.reference = f"openai/{model}"
        self.temperature = temperature
        self.messages = messages
        self.prompt = messages[-1][1]
        about = next(text for role, text in messages if role == "user")
        self.problem = int(re.findall(r"This is problem (\d+)\.", about)[0])

    @property
    def model(self) -> SimulatedModel:
        """Its ability and price."""
        return self.world.models[self.reference]

    def say(self, luck: np.random.Generator) -> str:
        """What it says."""
        if self.prompt == verify.VERDICT:
            return "[Correct]" if self.messages[-2][1].startswith("It holds") else "[Incorrect]"
        if found := VERIFY.fullmatch(self.prompt):
            return "It holds." if self.view("verify", _answers(found["candidate"]), luck)[0] > 0 else "It does not."
        if found := CRITIQUE.fullmatch(self.prompt):
            return "\n\n".join(f"[{i + 1}]\nStrengths: it is short." for i in range(int(found["count"])))
        if found := RANK.fullmatch(self.prompt):
            view = self.view("rank", _answers(found["candidates"]), luck)
            return " > ".join(f"[{place + 1}]" for place in np.argsort(-view))
        if (found := FUSE.fullmatch(self.prompt)) and luck.random() >= self.world.laws.alone:
            shown = _answers(found["candidates"])
            return _text(int(shown[int(self.view("fuse", shown, luck).argmax())]), luck)
        return _text(STEP * self.problem + self._draw(luck), luck)

    def view(self, role: Role, answers: Ints, luck: np.random.Generator) -> Floats:
        """What it sees of candidates."""
        kinds = answers % STEP
        fooled = self._lasting(f"fooled {self.reference}", WRONG + 1)[kinds]
        remarked = "\n\nRemarks on [1]:\n" in self.prompt
        passing = luck.standard_normal(len(answers))
        return self.world.laws.view(role, self.model.ability, kinds == RIGHT, fooled, passing, remarked)

    def _draw(self, luck: np.random.Generator) -> int:
        laws = self.world.laws
        difficulty, quirk = self._lasting("difficulty"), self._lasting(f"quirk {self.reference}")
        if luck.random() < laws.chance(self.model.ability, difficulty, quirk, self.temperature):
            return RIGHT
        common, own = self._lasting("popular", WRONG), self._lasting(f"popular {self.reference}", WRONG)
        return int(laws.wrong(common[None], own[None], luck.random((1, 1)))[0, 0])

    def _lasting(self, what: str, *shape: int) -> Floats:
        return np.asarray(lasting(self.world, what, shape)[self.problem])


def _text(answer: int, luck: np.random.Generator) -> str:
    """An answer in words of its own."""
    return f"The working is {luck.integers(10**12)}.\nAnswer: {answer}"


def _answers(text: str) -> Ints:
    return np.array([int(number) for number in re.findall(r"Answer: (\d+)", text)])


def _luck(said: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(said.encode(), digest_size=8).digest(), "big"))
