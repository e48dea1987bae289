"""Tests that are run on answers: as technique and as reward, and what an answer cannot do about it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from archon.architecture import Architecture, parse_component
from archon.concurrency import run_sync
from archon.engine import Engine
from archon.models.base import Request
from archon.reward import parse_reward
from archon.sandbox import Limits, Sandbox
from archon.state import Candidate, Failure, State, Task
from archon.testing import ScriptedModel, rehearse
from archon.testing_rewards import score
from archon.trace import Event
from techniques import EvaluateTests
from techniques.code import parse_code_tests
from techniques.rewards import PassedTests

TASK = Task.of('def double(x):\n    """Twice x."""\n', id="q")
TESTS = ("assert double(2) == 4", "assert double(0) == 0", "def test_text():\n    assert double('ab') == 'abab'")
NOBODY = ScriptedModel("never asked")


def fenced(code: str) -> str:
    return f"So it is:\n```python\n{code}\n```\nThat is all."


RIGHT = fenced("def double(x):\n    return 2 * x")
HALF_RIGHT = fenced("def double(x):\n    return x ** 2")


def run(*answers: str, tests: Sequence[str] = TESTS, **settings: object) -> State:
    technique = EvaluateTests.model_validate({"execute": True, **settings})
    candidates = [Candidate(answer, f"0.generate/m#{index}") for index, answer in enumerate(answers)]
    rehearsal = rehearse(technique, NOBODY, candidates=candidates, unit_tests=tests, task=TASK)
    assert rehearsal.result.error is None, rehearsal.result.error
    assert not rehearsal.model.requests
    return rehearsal.state


def scores(*answers: str, tests: Sequence[str] = TESTS) -> list[float | None]:
    by_answer = {candidate.text: candidate.score for candidate in run(*answers, tests=tests).candidates}
    return [by_answer[answer] for answer in answers]


def test_most_tests_passed_come_first() -> None:
    state = run(HALF_RIGHT, RIGHT, "    return x + x", "I cannot program.")
    assert [(candidate.text, candidate.score, candidate.verdict) for candidate in state.candidates] == [
        (RIGHT, 1.0, True),
        ("    return x + x", 1.0, True),
        (HALF_RIGHT, pytest.approx(2 / 3), False),
        ("I cannot program.", 0.0, False),
    ]
    assert not state.failures
    assert state.unit_tests == TESTS


def test_first_k_and_keep_hold_as_with_a_judge() -> None:
    assert [candidate.text for candidate in run(HALF_RIGHT, RIGHT, RIGHT, first_k=1).candidates] == [RIGHT]
    assert [candidate.text for candidate in run(HALF_RIGHT, RIGHT, keep=1).candidates] == [RIGHT]


@pytest.mark.parametrize(
    "code",
    [
        "import sys\nsys.exit(0)",
        "import os\nos._exit(0)",
        "raise SystemExit",
        "def double(x):\n    import os\n    os._exit(0)",
        "def double(x):\n    exit()",
        "print('PASS')\nprint('ok')\nimport os\nos.write(1, b'PASS')\nos._exit(0)",
        "import atexit, os\natexit.register(os._exit, 0)",
        "import threading, os\nthreading.Thread(target=os._exit, args=(0,)).start()",
        "import os\nos.closerange(0, 64)\ndef double(x):\n    return 2 * x",
        "import builtins\nbuiltins.exec = builtins.compile = lambda *a, **k: None",
        "import os\nos.write = os._exit = lambda *a: 0\ndef double(x):\n    return 5",
        "print(input())\nimport os\nos._exit(0)",
        "import sys\nprint(sys.stdin.read())\nsys.exit(0)",
        "def test_text():\n    pass",
        "while True: pass",
        "double = [0] * 10 ** 10",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    ],
)
def test_an_answer_that_does_not_do_the_task_cannot_pass(code: str) -> None:
    assert run(fenced(code), seconds=1).candidates[0].score == 0


@pytest.mark.parametrize(
    "code",
    [
        "print('noise ' * 100_000)\ndef double(x):\n    print(x)\n    return 2 * x",
        "def double(x):\n    return 2 * x\nif __name__ == '__main__':\n    print(double(int(input())))",
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass Box:\n    x: int\n"
        "def double(x):\n    return Box(x).x * 2",
        "def double(x):\n    return 2 * x\nimport threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()",
    ],
)
def test_whatever_else_an_answer_does_it_passes_if_it_is_right(code: str) -> None:
    assert scores(fenced(code)) == [1.0]


def test_a_failing_test_hides_no_other_and_leaves_nothing_behind() -> None:
    counting = fenced("calls = []\ndef double(x):\n    calls.append(x)\n    return 2 * x if len(calls) == 1 else None")
    tests = (
        "assert double(1) == 0",
        "assert double(2) == 4",
        "double.x = 1\nraise SystemExit",
        "assert double(3) == 6",
    )
    assert scores(counting, tests=tests) == [0.5]


def test_a_test_that_is_no_program_is_recorded_and_counts_neither_way() -> None:
    state = run(RIGHT, "no program", tests=("It doubles.", TESTS[0]))
    assert [(candidate.score, candidate.verdict) for candidate in state.candidates] == [(1.0, None), (0.0, False)]
    assert [(failure.kind, failure.reason) for failure in state.failures] == [
        ("parse", "not a program, so not executed: test 1"),
    ] * 2


def test_methods_of_unittest_are_tests_of_their_own() -> None:
    written = (
        "```python\nimport unittest\nclass T(unittest.TestCase):\n    def setUp(self):\n        self.two = 2\n"
        "    def test_two(self):\n        self.assertEqual(double(self.two), 4)\n"
        "    def test_three(self):\n        self.assertEqual(double(3), 6)\n"
        "if __name__ == '__main__':\n    unittest.main()\n```"
    )
    tests = parse_code_tests(written, 5, TASK.question)
    assert len(tests) == 2
    assert scores(RIGHT, HALF_RIGHT, tests=tests) == [1.0, 0.5]


def test_definitions_of_the_question_are_there_and_those_of_the_answer_win() -> None:
    question = "from math import pi\n\ndef helper(x):\n    return x + 1\n\ndef use(x):\n    '''Twice the helper's.'''\n"
    answer = fenced("def use(x):\n    return 2 * helper(x) if pi > 3 else None")
    technique = EvaluateTests(execute=True)
    tests = ("assert use(1) == 4",)
    task = Task.of(question)
    state = rehearse(technique, NOBODY, candidates=[Candidate(answer)], unit_tests=tests, task=task).state
    assert state.candidates[0].verdict is True


def test_the_reward_is_the_share_passed() -> None:
    candidates = [Candidate(RIGHT), Candidate(HALF_RIGHT), Candidate("no program")]
    reward = PassedTests(execute=True)
    assert reward.plan(3) == ()
    given, _ = score(reward, NOBODY, candidates, unit_tests=TESTS, task=TASK)
    assert given == [1.0, pytest.approx(2 / 3), 0.0]
    (nothing,), _ = score(reward, NOBODY, candidates[:1], unit_tests=["It doubles."], task=TASK)
    assert isinstance(nothing, Failure)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "name a `model` that judges, or write `execute: true`"),
        ({"model": "m", "execute": True}, "not both"),
        ({"execute": True, "temperature": 0.5, "max_tokens": 7}, "temperature and max_tokens would have no effect"),
        ({"execute": True, "prompt": "{question}{candidate}{tests}"}, "prompt would have no effect"),
        ({"execute": True, "seconds": 0}, "greater than 0"),
    ],
)
def test_either_a_model_judges_or_tests_are_executed(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        parse_component({"test": settings})
    with pytest.raises(ValidationError, match=sentence):
        parse_reward({"tests": settings})


def test_written_tests_are_executed_on_samples_and_the_trace_says_how() -> None:
    """From the question to the answer: two samples, tests of a model, and the sample that passes them."""

    def script(request: Request, index: int) -> str:
        if request.tag.technique == "unit_tests":
            return "```python\nfrom solution import double\nassert double(2) == 4\nassert double(3) == 6\n```"
        return HALF_RIGHT if index == 0 else RIGHT

    architecture = Architecture.model_validate(
        {
            "name": "code",
            "models": {"m": "openai/x"},
            "layers": [
                {"generate": {"model": "m", "n": 2}},
                {"unit_tests": {"model": "m", "n": 2, "code": True}},
                {"test": {"execute": True, "keep": 1}},
            ],
        }
    )
    events: list[Event] = []

    async def answer() -> str | None:
        sandbox = Sandbox(Limits(seconds=5), parallel=2)
        models = {"m": ScriptedModel(script)}
        async with Engine(architecture, models=models, sandbox=sandbox, observe=events.append) as engine:
            return (await engine.run(TASK)).text

    assert run_sync(answer()) == RIGHT
    ran = [event for event in events if event.kind == "execution"]
    assert {event.layer for event in ran} == {"2.test"}
    told = [(json.loads(event.data["stdin"])["checks"][0], event.data["ended"]) for event in ran]
    assert sorted(told) == [
        ("assert double(2) == 4", "ok"),
        ("assert double(2) == 4", "ok"),
        ("assert double(3) == 6", "error"),
        ("assert double(3) == 6", "ok"),
    ]
    assert any("AssertionError" in event.data["stderr"] for event in ran)
