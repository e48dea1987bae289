"""A reward server that speaks plain JSON."""

from __future__ import annotations

import math
from abc import ABC
from typing import Annotated, Any, ClassVar

from pydantic import Field

from archon.endpoint import Endpoint, SecretRef
from archon.errors import ModelError, ParseError
from archon.models.retry import RetryPolicy
from archon.reward import Reward
from archon.state import Failure, State
from archon.technique import Context

ATTEMPTS = 4


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
    score. What the server costs is not accounted for. Cost: 1 request per question.

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
        try:
            async with self.endpoint() as endpoint:
                reply = await endpoint.post(body)
            return [self.squashed(score) for score in parse_scores(reply)]
        except ModelError as error:
            return [Failure.of(context.layer, error)] * len(state.candidates)
        except ParseError as error:
            return [Failure(context.layer, "parse", f"{self.url}: {error}")] * len(state.candidates)


def parse_scores(reply: Any) -> list[Any]:
    """The scores in a reply, whatever they are.

    Raises:
        ParseError: It holds no list of scores.
    """
    scores = reply.get("scores") if isinstance(reply, dict) else None
    if not isinstance(scores, list):
        raise ParseError('the reply is not of the form {"scores": [...]}')
    return scores
