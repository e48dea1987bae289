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
from search.acting import ANSWER, PROMPT, RANKED, REMARK, VERDICT, lasting, reading
from search.laws import WRONG, Floats, Role, SimulatedModel
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


PATTERNS = {
    "rank": pattern(rank.PROMPT),
    "critique": pattern(critique.PROMPT),
    "fuse": pattern(fuse.PROMPT),
    "verify": pattern(verify.PROMPT),
    "verdict": pattern(verify.VERDICT),
    "score": pattern(logprob.PROMPT),
    "generate": pattern("{question}"),
}


class Endpoints:
    """Says what the models of a world say; a script for :func:`tests.loopback.serve`."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __call__(self, body: dict[str, Any]) -> Answer:
        """Answer one request."""
        messages = [(message["role"], message["content"]) for message in body["messages"]]
        one = _One(self.world, body["model"], body.get("temperature", 0.7), messages)
        prompt, reply = one.tokens()
        usage = {"prompt_tokens": prompt, "completion_tokens": reply, "total_tokens": prompt + reply}
        if one.kind == "score":
            return self._score(one, usage)
        said = json.dumps([body["model"], messages, body.get("seed"), body.get("temperature")])
        return Answer(texts=(one.say(_luck(said)),), usage=usage)

    def _score(self, one: _One, usage: dict[str, int]) -> Answer:
        # What a judge makes of a text is the same whenever it is asked.
        view = one.view("score", _luck(f"{one.reference} {one.shown}"))
        yes = float(self.world.laws.probability(one.model.ability, view)[0])
        top = [{"token": word, "logprob": math.log(p)} for word, p in (("Yes", yes), ("No", 1 - yes))]
        token = {**max(top, key=lambda word: float(str(word["logprob"]))), "top_logprobs": top}
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": token["token"]},
            "finish_reason": "stop",
            "logprobs": {"content": [token]},
        }
        return Answer(body=json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode())


class _One:
    """One request to one model about one problem."""

    def __init__(self, world: World, model: str, temperature: float, messages: Sequence[tuple[str, str]]) -> None:
        self.world = world
        self.reference = f"openai/{model}"
        self.temperature = temperature
        self.messages = messages
        prompt = messages[-1][1]
        self.kind, found = next((kind, found) for kind, one in PATTERNS.items() if (found := one.fullmatch(prompt)))
        self.shown = "".join(found.groupdict().get(name) or "" for name in ("candidates", "candidate", "note"))
        self.answers = np.array([int(number) for number in re.findall(r"Answer: (\d+)", self.shown)], dtype=np.int64)
        about = next(text for role, text in messages if role == "user")
        self.problem = int(re.findall(r"This is problem (\d+)\.", about)[0])

    @property
    def model(self) -> SimulatedModel:
        """Its ability and price."""
        return self.world.models[self.reference]

    @property
    def remarked(self) -> bool:
        """Whether remarks are shown."""
        return "\n\nRemarks on [1]:\n" in self.shown

    def tokens(self) -> tuple[int, int]:
        """The tokens of the prompt and of the reply."""
        count = len(self.answers)
        read = int(reading(count, remarked=self.remarked))
        alone = PROMPT + ANSWER
        return {
            "rank": (read, RANKED * count),
            "critique": (read, REMARK * count),
            "fuse": (read, ANSWER),
            "verify": (alone + VERDICT // 2, VERDICT // 2),
            "verdict": (alone + VERDICT // 2, VERDICT // 2),
            "score": (alone, 1),
            "generate": (PROMPT, ANSWER),
        }[self.kind]

    def say(self, luck: np.random.Generator) -> str:
        """What it says."""
        if self.kind == "verdict":
            return "[Correct]" if self.messages[-2][1].startswith("It holds") else "[Incorrect]"
        if self.kind == "verify":
            return "It holds." if self.view("verify", luck)[0] > 0 else "It does not."
        if self.kind == "critique":
            return "\n\n".join(f"[{i + 1}]\nStrengths: it is short." for i in range(len(self.answers)))
        if self.kind == "rank":
            return " > ".join(f"[{place + 1}]" for place in np.argsort(-self.view("rank", luck)))
        if self.kind == "fuse" and luck.random() >= self.world.laws.alone:
            return _text(int(self.answers[int(self.view("fuse", luck).argmax())]), luck)
        return _text(STEP * self.problem + self._draw(luck), luck)

    def view(self, role: Role, luck: np.random.Generator) -> Floats:
        """What it sees of the candidates it is shown."""
        kinds = self.answers % STEP
        fooled = self._lasting(f"fooled {self.reference}", WRONG + 1)[kinds]
        passing = luck.standard_normal(len(kinds))
        laws, ability = self.world.laws, self.model.ability
        return laws.view(role, ability, kinds == RIGHT, fooled, passing, self.remarked)

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


def _luck(said: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(said.encode(), digest_size=8).digest(), "big"))
