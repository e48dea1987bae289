"""The probability that a model answers Yes when asked whether a response is correct."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from archon.errors import ConfigError
from archon.models.base import Completion, TokenLogprob
from archon.state import Failure, State
from archon.technique import Context
from techniques.rewards.asking import Asking

PROMPT = """\
Below are a question and a response to it.

Question:
{question}

Response:
{candidate}{note}

Is the response correct? Reply with Yes or No and nothing else."""


class Logprob(Asking, kind="logprob"):
    """The probability that a model answers Yes when asked whether a response is correct.

    One token per candidate. The probabilities of all spellings of Yes (``Yes``, `` yes``, ``YES`` ...) among the
    ``top_logprobs`` likeliest first tokens are added up and set against those of No: P(yes) / (P(yes) + P(no)). A word
    that is not among them may still have as much as the least likely of them, and no more than they leave: it
    counts as that much. A reply without log-probabilities, or with neither word, leaves the candidate without a score.
    Not for models that reason before they answer.

    Source: Kadavath et al. 2022 (Language Models (Mostly) Know What They Know, arXiv:2207.05221), P(True).
    """

    calls: ClassVar[str] = "1 per candidate"
    words: ClassVar[str] = PROMPT

    top_logprobs: Annotated[int, Field(ge=2, le=20)] = 20

    @property
    def sampling(self) -> Mapping[str, Any]:
        """One token; its log-probabilities are the same for every draw, so that one draw is enough."""
        return {"temperature": 0.0, "max_tokens": 1, "top_logprobs": self.top_logprobs}

    async def measure(self, state: State, context: Context) -> list[float | Failure]:
        """Ask about every candidate, if the endpoint reports log-probabilities.

        Raises:
            ConfigError: It does not.
        """
        if not context.capabilities(self.model).logprobs:
            raise ConfigError(
                f"{context.layer}: the endpoint of '{self.model}' reports no log-probabilities, which logprob needs; "
                "use judge or generative instead."
            )
        return await super().measure(state, context)

    def read(self, replies: Sequence[Completion]) -> float | None:
        """P(yes) by the first token."""
        logprobs = replies[0].logprobs
        return yes_probability(logprobs[0]) if logprobs else None


def yes_probability(first: TokenLogprob) -> float | None:
    """P(yes) / (P(yes) + P(no)) by the alternatives to a first token; ``None`` if neither word is among them."""
    listed = {**dict(first.top), first.token: first.logprob}
    probabilities = {token: math.exp(min(logprob, 0.0)) for token, logprob in listed.items() if not math.isnan(logprob)}
    said = {
        word: math.fsum(p for token, p in probabilities.items() if token.strip().casefold() == word)
        for word in ("yes", "no")
    }
    if not any(said.values()):
        return None
    unlisted = max(0.0, min(*probabilities.values(), 1.0 - math.fsum(probabilities.values())))
    yes, no = (mass or unlisted for mass in said.values())
    return yes / (yes + no)
