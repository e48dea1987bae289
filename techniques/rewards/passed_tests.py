"""The share of the unit tests that a response passes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from archon.concurrency import gather
from archon.errors import ModelError
from archon.kinds import Overrides
from archon.reward import Reward
from archon.state import Candidate, Failure, State
from archon.technique import Ask, Context, ModelRef
from techniques.evaluate_tests import PROMPT, SECONDS, TestsPrompt, ask_verdicts, share
from techniques.executed_tests import check_judge, run_tests


class PassedTests(Reward, Overrides, kind="tests"):
    """The share of the unit tests that a response passes, in a model's judgement or, with ``execute``, when it is run.

    The tests are those that earlier layers wrote; to be executed, they and the responses have to be Python programs, as
    for the technique ``test``, and each runs for at most ``seconds``. Tests without a readable verdict, or that are no
    programs, count neither way; a candidate without any verdict, and every candidate where there are no tests, has no
    score. Cost: 1 completion per candidate, or none where tests are executed.

    Source: Saad-Falcon et al. 2024 (Archon, arXiv:2409.15254), section 3.

    Example:
        tests: {model: judge}
    """

    needs_unit_tests: ClassVar[bool] = True
    calls: ClassVar[str] = "1 per candidate, or 0 with execute"

    model: ModelRef | None = None
    execute: bool = False
    seconds: Annotated[float, Field(gt=0)] = SECONDS
    prompt: TestsPrompt = None

    @model_validator(mode="after")
    def _one_judge(self) -> Self:
        check_judge(self.execute, self.model, {"prompt": self.prompt, **self.overrides})
        return self

    async def measure(self, state: State, context: Context) -> list[float | Failure]:
        """Test every candidate at the same time."""
        if not state.unit_tests:
            return [Failure(context.layer, "parse", "there are no unit tests to judge by")] * len(state.candidates)
        return await gather(
            self._test(state, candidate, context.fork(index)) for index, candidate in enumerate(state.candidates)
        )

    def plan(self, candidates: int) -> tuple[Ask, ...]:
        """One completion per candidate, or nothing where tests are executed."""
        if self.model is None:
            return ()
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
            if self.model is None:
                verdicts = await run_tests(state, candidate, context, self.seconds)
            else:
                verdicts = await ask_verdicts(state, candidate, context, self.model, self.prompt, self.overrides)
        except ModelError as error:
            return Failure.of(context.layer, error)
        passed = share(verdicts)
        return Failure(context.layer, "parse", "there is no verdict on any test") if passed is None else passed
