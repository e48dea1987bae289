"""A function of the user's own."""

from __future__ import annotations

import asyncio
import inspect
import pkgutil
from typing import Annotated, ClassVar

from pydantic import Field

from archon.errors import ConfigError
from archon.reward import Reward
from archon.state import Failure, State
from archon.technique import Context


class Python(Reward, kind="python"):
    """A function of the user's own, named as ``module:function``.

    It is called with the question and the list of candidates' texts and returns one number from 0 to 1 for each. A
    plain function runs in a thread of its own, an ``async`` one where everything else runs. What it raises fails the
    question. The module has to be importable. Cost: none.

    Source: this framework; outcome rewards that are programs, as in Cobbe et al. 2021 (arXiv:2110.14168).

    Example:
        python: {function: "my_module:brevity"}
    """

    calls: ClassVar[str] = "0"

    function: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")]
    unfinished: bool = False

    @property
    def scores_beginnings(self) -> bool:
        """If it is said to."""
        return self.unfinished

    async def measure(self, state: State, context: Context) -> list[float | Failure]:
        """Call the function.

        Raises:
            ConfigError: There is no such function, or it does not return a list.
        """
        try:
            function = pkgutil.resolve_name(self.function)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"{context.layer}: the function {self.function} cannot be imported: {error}.") from error
        texts = [candidate.text for candidate in state.candidates]
        if inspect.iscoroutinefunction(function):
            scores = await function(state.task.question, texts)
        else:
            scores = await asyncio.to_thread(function, state.task.question, texts)
        try:
            return list(scores)
        except TypeError:
            raise ConfigError(f"{context.layer}: {self.function} has to return a list of numbers.") from None

    def plan(self, candidates: int) -> tuple[()]:
        """It asks no model."""
        return ()
