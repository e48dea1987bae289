"""A reward server that speaks plain JSON."""

from __future__ import annotations

import math
import time
from abc import ABC
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from pydantic import Field

from archon.endpoint import Endpoint, SecretRef, public
from archon.errors import ModelError, ParseError
from archon.models.retry import RetryPolicy
from archon.reward import Reward
from archon.state import Failure, State
from archon.technique import Context

ATTEMPTS = 4

T = TypeVar("T")


class Remote(Reward, ABC):
    """A reward that a server computes.

    Attributes:
        url: Where to post.
        api_key: The variable that holds the server's key, if it wants one.
        timeout: Seconds to wait for one reply.
        squash: Whether scores are unbounded and go through the logistic function first, as those of most reward
            models have to.
        unfinished: Whether the server can score answers that are not finished.
    """

    url: Annotated[str, Field(pattern=r"^https?://")]
    api_key: SecretRef = None
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60.0
    squash: bool = False
    unfinished: bool = False

    @property
    def scores_beginnings(self) -> bool:
        """If the server is said to."""
        return self.unfinished

    def plan(self, candidates: int) -> tuple[()]:
        """It asks no model."""
        return ()

    def endpoint(self) -> Endpoint:
        """The server."""
        retry = RetryPolicy(attempts=ATTEMPTS, seconds=ATTEMPTS * self.timeout)
        return Endpoint(self.url, api_key=self.api_key, timeout=self.timeout, retry=retry)

    async def ask(
        self, endpoint: Endpoint, body: Mapping[str, Any], read: Callable[[Any], T], candidates: int, context: Context
    ) -> T | Failure:
        """Post, read the reply, and put an event ``reward`` into the trace, whatever comes of it.

        Args:
            endpoint: The server.
            body: What to post.
            read: Makes of the reply what is wanted of it, or raises a :class:`ParseError`.
            candidates: How many candidates are posted.
            context: Where to put the event.

        Returns:
            What was read, or why there is nothing.
        """
        started, outcome = time.monotonic(), "cancelled"
        try:
            found = read(await endpoint.post(body))
            outcome = "scored"
            return found
        except ModelError as error:
            outcome = error.reason
            return Failure.of(context.layer, error)
        except ParseError as error:
            outcome = "malformed"
            return Failure(context.layer, "parse", f"{public(self.url)}: {error}")
        finally:
            data = {"reward": self.kind, "host": urlsplit(public(self.url)).netloc}
            seconds = round(time.monotonic() - started, 4)
            context.record("reward", {**data, "candidates": candidates, "seconds": seconds, "outcome": outcome})

    def squashed(self, score: Any) -> Any:
        """The score within 0 to 1, if that is wanted; what is no number stays what it is."""
        if not self.squash or isinstance(score, bool) or not isinstance(score, int | float):
            return score
        return score if math.isinf(score) else (1.0 + math.tanh(score / 2.0)) / 2.0


class Http(Remote, kind="http"):
    """A reward server that speaks plain JSON.

    All candidates of a question are posted at once, as ``{"question": "...", "candidates": ["...", ...], "context":
    [{"role": "...", "content": "..."}, ...]}`` with everything that was said before the question under ``context``.
    The reply is ``{"scores": [0.7, ...]}``, one number from 0 to 1 per candidate in order, or ``null`` where there is
    none. A failed call, a reply of another form or length, or a number out of range leaves candidates without a
    score. The trace holds every request; what the server costs is not accounted for. Cost: 1 request per question.

    Source: this framework; docs/rewards.md gives the protocol.

    Example:
        http: {url: http://127.0.0.1:9000/score}
    """

    calls: ClassVar[str] = "0 (1 request to the server)"

    async def measure(self, state: State, context: Context) -> list[float | Failure]:
        """Post all candidates."""
        body = {
            "question": state.task.question,
            "candidates": [candidate.text for candidate in state.candidates],
            "context": [{"role": message.role, "content": message.content} for message in state.task.context],
        }
        count = len(state.candidates)
        async with self.endpoint() as endpoint:
            scores = await self.ask(endpoint, body, parse_scores, count, context)
        return [scores] * count if isinstance(scores, Failure) else [self.squashed(score) for score in scores]


def parse_scores(reply: Any) -> list[Any]:
    """The scores in a reply, whatever they are.

    Raises:
        ParseError: It holds no list of scores.
    """
    scores = reply.get("scores") if isinstance(reply, dict) else None
    if not isinstance(scores, list):
        raise ParseError('the reply is not of the form {"scores": [...]}')
    return scores
