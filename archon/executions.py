"""Programs of a technique: they end with their question and its time, and the trace tells of every one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archon.errors import BudgetExhausted
from archon.models.base import Tag
from archon.trace import Event, Observer

if TYPE_CHECKING:
    from archon.branch import Scope
    from archon.sandbox import Execution
    from archon.technique import Programs

# Of what a program writes, enough to see what happened; a run may execute thousands that never stop writing.
TOLD = 10_000


class Watched:
    """A sandbox as one branch of a technique sees it.

    Args:
        sandbox: The sandbox.
        scope: What the question is stopped by.
        tag: Whom programs run for.
        stream: Which branch that is.
        observe: Whom to tell.
        seconds_left: How long the budgets of one run of the engine still last; ``None`` without end.
    """

    def __init__(
        self,
        sandbox: Programs,
        scope: Scope,
        tag: Tag,
        stream: str,
        observe: Observer,
        seconds_left: Callable[[int], float | None],
    ) -> None:
        self._sandbox = sandbox
        self._scope = scope
        self._tag = tag
        self._stream = stream
        self._observe = observe
        self._seconds_left = seconds_left

    async def run(
        self,
        program: str,
        *,
        stdin: str = "",
        files: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        seconds: float | None = None,
    ) -> Execution:
        """Run one program; its event holds all that is needed to run it again.

        Raises:
            BudgetExhausted: The time of a budget ran out.
            SandboxError: No program can be run here.
        """
        told: dict[str, Any] = {
            "run": self._tag.run,
            "stream": self._stream,
            "program": program,
            "stdin": stdin,
            "files": dict(files or {}),
            "arguments": list(arguments),
        }
        running = self._scope.enter()
        try:
            async with asyncio.timeout(self._seconds_left(self._tag.run)):
                done = await self._sandbox.run(program, stdin=stdin, files=files, arguments=arguments, seconds=seconds)
        except TimeoutError:
            self._tell(told, ended="budget")
            raise BudgetExhausted("the time of the budget ran out") from None
        except asyncio.CancelledError:
            self._tell(told, ended="cancelled")
            raise
        finally:
            self._scope.leave(running)
        self._tell(
            told,
            ended=done.kind,
            exit_code=done.exit_code,
            stdout=done.stdout[:TOLD],
            stderr=done.stderr[:TOLD],
            seconds=round(done.seconds, 4),
        )
        return done

    def _tell(self, told: Mapping[str, Any], **outcome: Any) -> None:
        given = {name: value for name, value in told.items() if value not in ("", {}, [])}
        self._observe(Event("execution", self._tag.question, self._tag.layer, {**given, **outcome}))
