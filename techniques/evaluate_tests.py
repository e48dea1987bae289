"""Test every candidate by the unit tests and put those that pass most first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from archon.concurrency import gather
from archon.errors import ModelError
from archon.knobs import IntKnob
from archon.state import Candidate, Failure, State
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.executed_tests import check_judge, run_tests
from techniques.prompts import conversation, render, requires
from techniques.unit_tests import HEADING, number_of

PROMPT = """\
Below are a question, a response to it and {count} numbered tests of the response.

Question:
{question}

Response:
{candidate}

Tests:
{tests}

Check the response against each test by itself; what other tests say does not matter. Reply with one line per test \
that holds its number, one sentence of reasoning, and then the verdict PASS or FAIL, like this:

[1] The response states ... PASS"""

WORD = re.compile(
    r"(?:\b(not|cannot|\w{1,8}n['’]t|fail(?:ed|s)?\sto)\s{1,3}(?:\w{1,12}\s{1,3})?)?\b(?:(pass)(?:ed|es)?|fail(?:ed|s)?)\b",
    re.IGNORECASE,
)
LETTER = re.compile(r"\w")
SECONDS = 5.0

TestsPrompt = Annotated[str | None, requires("question", "candidate", "tests")]
"""A prompt that shows the question, one candidate and the tests; ``None`` for the built-in one."""


class EvaluateTests(Sampled, kind="test"):
    """Test every candidate by the unit tests and put those that pass most first.

    A model gives, in one call per candidate, a verdict on every test that earlier layers wrote. With ``execute``, the
    tests and candidates are Python programs instead (``unit_tests`` writes such tests with ``code``), and every
    candidate is run with each test in the sandbox, for at most ``seconds`` and in a process of its own; a candidate is
    its longest block of code, and the stub in the question, if there is one, comes before it. The score is the share of
    tests passed among those with a verdict; the verdict says whether the candidate passed all. Ties keep their order.
    A verdict that is missing or unreadable, or a test that is no program, is recorded and counts neither way; a
    candidate without any verdict has no score and comes before those that passed nothing. With ``first_k``, candidates
    are tested in order, ``first_k`` at a time, until that many have passed everything, and only those are kept. Cost: 1
    completion per candidate tested, or none where tests are executed.

    Source: Saad-Falcon et al. 2024 (Archon, arXiv:2409.15254), section 3.

    Example:
        - unit_tests: {model: judge, code: true}
        - generate: {model: solver, n: 8}
        - test: {execute: true}
    """

    needs_unit_tests: ClassVar[bool] = True
    calls: ClassVar[str] = "1 per candidate tested, or 0 with execute"

    model: ModelRef | None = None
    execute: bool = False
    seconds: Annotated[float, Field(gt=0)] = SECONDS
    keep: Annotated[int | None, Field(ge=1), IntKnob(1, 10)] = None
    first_k: Annotated[int | None, Field(ge=1), IntKnob(1, 10)] = None
    prompt: TestsPrompt = None

    @model_validator(mode="after")
    def _one_judge(self) -> Self:
        check_judge(self.execute, self.model, {"prompt": self.prompt, **self.overrides})
        return self

    async def __call__(self, state: State, context: Context) -> State:
        """Order the candidates by the share of tests they pass and keep the first ``keep``."""
        if not state.unit_tests:
            failure = Failure(context.layer, "parse", "there are no unit tests to judge by; the order was kept")
            return state.with_candidates(state.candidates[: self.keep]).with_failures([failure])
        wanted = self.first_k or len(state.candidates)
        tested: list[Candidate] = []
        failures: list[Failure] = []
        perfect: list[Candidate] = []
        while len(tested) < len(state.candidates) and len(perfect) < wanted:
            batch = range(len(tested), min(len(tested) + wanted, len(state.candidates)))
            outcomes = await gather(self._test(state, state.candidates[index], context.fork(index)) for index in batch)
            for candidate, failure_of_it in outcomes:
                tested.append(candidate)
                if failure_of_it:
                    failures.append(failure_of_it)
            perfect = [candidate for candidate in tested if candidate.verdict]
        enough = self.first_k is not None and len(perfect) >= self.first_k
        kept = perfect[: self.first_k] if enough else sorted(tested, key=_order)
        return state.with_candidates(kept[: self.keep]).with_failures(failures)

    def plan(self, candidates: int) -> Plan:
        """One completion per candidate; with ``first_k``, the first batch is expected to pass everything."""
        tested = min(self.first_k or candidates, candidates)
        most = min(self.keep or candidates, candidates)
        if self.model is None:
            return Plan((), min(tested, most), most)
        ask = Ask(
            self.model,
            requests=tested,
            most=candidates,
            words=self.prompt or PROMPT,
            reads=1,
            remarks=False,
            max_tokens=self.max_tokens,
        )
        return Plan((ask,), min(tested, most), most)

    async def _test(self, state: State, candidate: Candidate, context: Context) -> tuple[Candidate, Failure | None]:
        try:
            if self.model is None:
                verdicts = await run_tests(state, candidate, context, self.seconds)
            else:
                verdicts = await ask_verdicts(state, candidate, context, self.model, self.prompt, self.overrides)
        except ModelError as error:
            return replace(candidate, score=None, verdict=None), Failure.of(context.layer, error)
        missing = [str(number) for number, verdict in enumerate(verdicts, start=1) if verdict is None]
        why = f"{candidate.origin}: no verdict on test" if self.model else "not a program, so not executed: test"
        failure = Failure(context.layer, "parse", f"{why} {', '.join(missing)}")
        return replace(candidate, score=share(verdicts), verdict=_all(verdicts)), failure if missing else None


async def ask_verdicts(
    state: State,
    candidate: Candidate,
    context: Context,
    model: str,
    prompt: str | None,
    sampling: Mapping[str, Any],
) -> list[bool | None]:
    """A model's verdict on each of the state's unit tests, ``None`` where it gives none.

    Args:
        state: The task and its unit tests.
        candidate: What is tested.
        context: Where to draw.
        model: Who judges.
        prompt: How to ask; ``None`` for the built-in prompt.
        sampling: How to draw.

    Raises:
        ModelError: The call failed.
    """
    asked = render(
        prompt or PROMPT,
        count=str(len(state.unit_tests)),
        question=state.task.question,
        candidate=candidate.text.strip(),
        tests="\n".join(f"[{number}] {test}" for number, test in enumerate(state.unit_tests, start=1)),
    )
    (reply,) = await context.sample(model, conversation(state.task, asked), **sampling)
    return parse_verdicts(reply.text, len(state.unit_tests))


def share(verdicts: Iterable[bool | None]) -> float | None:
    """The share of passes among the verdicts there are, ``None`` without any."""
    given = [verdict for verdict in verdicts if verdict is not None]
    return sum(given) / len(given) if given else None


def _all(verdicts: Sequence[bool | None]) -> bool | None:
    """Whether all tests were passed; ``None`` when a missing verdict decides it."""
    return False if False in verdicts else None if None in verdicts else True


def _order(candidate: Candidate) -> tuple[float, bool]:
    return -(candidate.score or 0.0), candidate.score is not None


def parse_verdicts(reply: str, count: int) -> list[bool | None]:
    """The verdict on each of ``count`` tests, ``None`` where the reply gives none or contradicts itself.

    Sections start with a number (``[1]``, ``1.`` or ``Test 1:``) at the beginning of a line; of several for one test
    the last with a verdict counts. A reply without numbers is taken line by line if as many lines as there are tests
    hold a verdict.
    """
    headings = list(HEADING.finditer(reply))
    ends = [heading.start() for heading in headings[1:]] + [len(reply)]
    found: dict[int, bool] = {}
    for heading, end in zip(headings, ends, strict=False):
        verdict = _verdict(reply[heading.end() : end])
        if verdict is not None:
            found[number_of(heading)] = verdict
    if not headings:
        parts = [reply] if count == 1 else [line for line in reply.splitlines() if WORD.search(line)]
        if len(parts) == count:
            return [_verdict(part) for part in parts]
    return [found.get(number) for number in range(1, count + 1)]


def _verdict(section: str) -> bool | None:
    """The verdict on which all words for one agree, or else those in capitals, or those at the two ends."""
    words = list(WORD.finditer(section))
    capitals = [word for word in words if word.group().isupper()]
    ends = [word for word in words[:1] if not LETTER.search(section[: word.start()])]
    ends += [word for word in words[-1:] if not LETTER.search(section[word.end() :])]
    for group in (words, capitals, ends):
        said = {_passes(word) for word in group}
        if len(said) == 1:
            return said.pop()
    return None


def _passes(word: re.Match[str]) -> bool:
    return (word[2] is None) == (word[1] is not None)
