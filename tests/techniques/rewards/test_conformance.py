"""Every built-in reward owes its users the same things."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

from archon.models.base import Completion, Request, TokenLogprob
from archon.state import Candidate
from archon.testing_rewards import RewardConformance
from techniques.rewards import (
    Ensemble,
    Generative,
    Http,
    Judge,
    Logprob,
    Pairwise,
    PassedTests,
    Pooling,
    Python,
    Rollout,
)
from tests.loopback import Answer, serve
from tests.techniques.rewards.functions import MODULE


def yes(request: Request, index: int) -> Completion:
    """Is fairly sure that 4 is right."""
    likely = 0.8 if "is 4" in request.messages[-1].content else 0.1
    top = (("Yes", math.log(likely)), ("No", math.log(1 - likely)))
    return Completion("Yes", logprobs=(TokenLogprob("Yes", math.log(likely), top),))


def both(request: Request, index: int) -> Any:
    return yes(request, index) if request.sampling.top_logprobs else f"Rating: [{1 + request.wire_seed() % 10}]"


class TestJudge(RewardConformance):
    reward = Judge(model="m", rubric="9: good")
    script = staticmethod(lambda request, index: f"Rating: [{1 + request.wire_seed() % 10}]")


class TestLogprob(RewardConformance):
    reward = Logprob(model="m", unfinished=True, top_logprobs=5)
    script = staticmethod(yes)


class TestGenerative(RewardConformance):
    reward = Generative(model="m", k=3, temperature=0.7)
    script = staticmethod(
        lambda request, index: f"Hm. Verdict: [{'Correct' if request.wire_seed() % 2 else 'Incorrect'}]"
    )


class TestPairwise(RewardConformance):
    reward = Pairwise(model="m")
    script = staticmethod(lambda request, index: f"[{1 + request.wire_seed() % 2}]")


class TestRollout(RewardConformance):
    reward = Rollout(model="m", n=2)
    script = staticmethod(lambda request, index: f" No: it is {request.wire_seed() % 3}.")


class TestRolloutWithReward(RewardConformance):
    reward = Rollout(model="m", n=2, reward=Judge(model="j"))
    script = staticmethod(lambda request, index: f"Rating: [{1 + request.wire_seed() % 10}]")


class TestPassedTests(RewardConformance):
    reward = PassedTests(model="m")
    script = staticmethod(lambda request, index: "[1] PASS\n[2] FAIL")
    unit_tests = ("It says 4.", "It is short.")


class TestExecutedPassedTests(RewardConformance):
    reward = PassedTests(execute=True)
    candidates = (Candidate("four = 4"), Candidate("four = 5"), Candidate("is four"))
    unit_tests = ("assert four == 4", "assert four")


class TestEnsemble(RewardConformance):
    reward = Ensemble(
        rewards=(Judge(model="m"), Judge(model="m"), Logprob(model="m")),
        weights=(1, 2, 3),
        normalise="minmax",
        penalty=0.5,
    )
    script = staticmethod(both)


class TestHttp(RewardConformance):
    @pytest.fixture(autouse=True)
    def served(self) -> Iterator[None]:
        with serve(
            lambda body: Answer(body=json.dumps({"scores": [0.5] * len(body["candidates"])}).encode())
        ) as server:
            type(self).reward = Http(url=f"{server.base_url}/score")
            yield


class TestPooling(RewardConformance):
    @pytest.fixture(autouse=True)
    def served(self) -> Iterator[None]:
        with serve(lambda body: Answer(body=b'{"data": [{"index": 0, "data": [[0.25, 0.75]]}]}')) as server:
            type(self).reward = Pooling(url=f"{server.base_url}/pooling", model="prm", mark="<extra_0>")
            yield


class TestPython(RewardConformance):
    reward = Python(function=f"{MODULE}:brevity")


class TestAsyncPython(RewardConformance):
    reward = Python(function=f"{MODULE}:patience", unfinished=True)
