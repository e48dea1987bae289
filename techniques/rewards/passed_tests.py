"""The share of the unit tests that a response passes."""

from __future__ import annotations

from typing import ClassVar

from archon.concurrency import gather
from archon.errors import ModelError
from archon.reward import SampledReward
from archon.state import Candidate, Failure, State
from archon.technique import Ask, Context
from techniques.evaluate_tests import PROMPT, TestsPrompt, ask_verdicts, share


class PassedTests(SampledReward, kind="tests"):
    """The share of the unit tests that a response passes, in a model's judgement.

    The tests are those that earlier layers wrote. Tests without a readable verdict count neither way; a candidate
    without any verdict, and every candidate where there are no tests, has no score. Cost: 1 completion per candidate.

    Source: Saad-Falcon et al. 2024 (Archon, arXiv:2409.15254), section 3.
    """

    needs_unit_tests: ClassVar[bool] = True
    calls: ClassVar[str] = "1 per candidate"

    prompt: TestsPrompt = None

    async def measure(self, state: State, context: Context) -> list[float | Failure]:
        """Test every candidate at the same time."""
        if not state.unit_tests:
            return [Failure(context.layer, "parse", "there are no unit tests to judge by")] * len(state.candidates)
        return await gather(
            self._test(state, candidate, context.fork(index)) for index, candidate in enumerate(state.candidates)
        )

    def plan(self, candidates: int) -> tuple[Ask, ...]:
        """One completion per candidate."""
        ask = Ask(
            self.model,
            requests=candidates,
            words=self.prompt or PROMPT,
            reads=1,
            remarks=False,
            max_tokens=self.max_tokens,
        )
        return (ask,)

    async def _test(self, state: State, candidate: Candidate, context: Context) -> float | Failure:
        try:
            verdicts = await ask_verdicts(state, candidate, context, self.model, self.prompt, self.overrides)
        except ModelError as error:
            return Failure.of(context.layer, error)
        passed = share(verdicts)
        return Failure(context.layer, "parse", "the reply holds no verdict on any test") if passed is None else passed
