"""A beam search in which one token says what all next steps of a beginning are worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Annotated, ClassVar

from pydantic import Field

from archon.concurrency import gather
from archon.errors import ConfigError, ModelError
from archon.knobs import IntKnob
from archon.models.base import TokenLogprob
from archon.state import Failure, Message, State
from archon.stepwise import Partial, Scorer
from archon.technique import Context, ModelRef
from techniques.prompts import as_shown, conversation, render, requires
from techniques.stepwise.aggregate import best_first
from techniques.stepwise.base import Stepwise
from techniques.stepwise.search import Search

PROMPT = """\
Below are a question, the beginning of a response to it, and several ways to go on.

Question:
{question}

Beginning of the response:
{candidate}

Ways to go on:
{continuations}

Which way to go on is right and leads to a right answer? Reply with its letter and nothing else, or with Z if there is \
none."""

NONE = "Z"
TOP_LOGPROBS = 20


class Saffron(Stepwise, kind="saffron"):
    """A beam search in which one verdict of one token says what all next steps of a beginning are worth.

    Every beginning gets `branching` next steps. The `verifier` is shown all of them at once, under letters, and asked
    which leads to a right answer, or Z for none; the log-probabilities of its first token give every step i the value
    P(i) / (P(i) + P(Z)). So a beginning costs one verdict however many steps follow it. What is not among the
    likeliest tokens was not seen: it is worth 0, and not followed unless there is nothing else. The `width` beginnings
    with the highest values go on. Complete answers leave the beam and are scored by the `reward`, which orders them.
    Steps that are the same are one, so that no beginning is judged twice. Cost: at most width × branching × max_steps
    steps, width × max_steps verdicts of one token, and the reward of complete answers.

    This is not the method of the paper, only its idea within the bounds of a chat endpoint. There, a reward model that
    was trained for it values every next token of the vocabulary in one pass, and a trie of key-value caches is shared
    between sequences. A chat endpoint has no such model and shows no cache; it values here steps that were drawn, by a
    general model, and prompts that begin alike leave it to the endpoint to reuse what it can. Verdicts split their
    probability between steps that are equally good. The paper's nucleus of 0.8 is `top_p` here. How this compares with
    other searches has not been measured.

    Source: Qiu et al. 2025 (SAFFRON-1, arXiv:2506.06444), adapted as said.

    Example:
        - saffron: {model: solver, verifier: judge, width: 2, branching: 4, reward: {judge: {model: judge}}}
    """

    calls: ClassVar[str] = "at most max_steps × width × (branching + 1), plus the reward's"

    verifier: ModelRef
    width: Annotated[int, Field(ge=1), IntKnob(1, 16, log=True)] = 4
    branching: Annotated[int, Field(ge=1, le=16), IntKnob(2, 16, log=True)] = 4
    prompt: Annotated[str | None, requires("question", "candidate", "continuations")] = None

    async def search(self, search: Search, context: Context) -> Sequence[Partial]:
        """The answers that left the beam."""
        return await saffron(search, width=self.width, branching=self.branching)

    def scorer(self, state: State, context: Context) -> Scorer:
        """The verdicts for beginnings, the reward for answers.

        Raises:
            ConfigError: The verifier's endpoint reports no log-probabilities.
        """
        if not context.capabilities(self.verifier).logprobs:
            raise ConfigError(
                f"{context.layer}: the endpoint of '{self.verifier}' reports no log-probabilities, which saffron needs."
            )
        answers = super().scorer(state, context)
        return Verdicts(self.verifier, state, context.fork("verdicts"), answers, self.prompt or PROMPT)


async def saffron(search: Search, *, width: int, branching: int) -> list[Partial]:
    """Follow the best beginnings, leaving alone what the verdict did not see.

    Args:
        search: What to search with.
        width: How many beginnings are followed.
        branching: How many next steps each gets.

    Returns:
        The ends that were reached, best first.

    Raises:
        Exhausted: There is no more to spend.
    """
    live, ends = [search.root], []
    while live:
        families = await search.grow([(beginning, branching) for beginning in live])
        children = list({(child.text, child.open): child for family in families for child in family}.values())
        ends += [child for child in children if not child.open]
        open_ = [child for child in children if child.open]
        seen = [child for child in open_ if child.score]
        live = best_first(seen or open_, search.aggregate)[:width]
        search.mark(live, "kept")
    return best_first(ends, search.aggregate)


class Verdicts:
    """Values all open next steps of a beginning by one token; an :class:`archon.stepwise.Scorer`.

    Args:
        model: Who gives the verdict.
        state: The task.
        context: Where to draw.
        answers: Scores what is not open.
        prompt: What is asked.
    """

    def __init__(self, model: str, state: State, context: Context, answers: Scorer, prompt: str) -> None:
        self._model = model
        self._state = state
        self._context = context
        self._answers = answers
        self._prompt = prompt

    async def score(self, partials: Sequence[Partial]) -> list[float | Failure]:
        """One verdict for all that have the beginning before their last step in common."""
        families: dict[tuple[str, ...], list[int]] = {}
        for place, partial in enumerate(partials):
            if partial.open:
                families.setdefault(partial.steps[:-1], []).append(place)
        scores: dict[int, float | Failure] = {}
        verdicts = await gather(
            self._values(beginning, [partials[place].steps[-1] for place in places])
            for beginning, places in families.items()
        )
        for places, values in zip(families.values(), verdicts, strict=True):
            scores.update(zip(places, values, strict=True))
        ended = [place for place, partial in enumerate(partials) if not partial.open]
        if ended:
            scores.update(zip(ended, await self._answers.score([partials[place] for place in ended]), strict=True))
        return [scores[place] for place in range(len(partials))]

    async def _values(self, beginning: Sequence[str], steps: Sequence[str]) -> Sequence[float | Failure]:
        # One context numbers the draws in the order of asking, so that asking again gets a sample of its own.
        (outcome,) = await self._context.attempt(
            self._model, self._asked(beginning, steps), temperature=0.0, max_tokens=1, top_logprobs=TOP_LOGPROBS
        )
        if isinstance(outcome, ModelError):
            return [Failure.of(self._context.layer, outcome)] * len(steps)
        values = step_values(outcome.logprobs[0], len(steps)) if outcome.logprobs else None
        if values is None:
            problem = f"the verdict {outcome.text[-60:]!r} comes with no log-probability of any of its letters"
            return [Failure(self._context.layer, "parse", problem)] * len(steps)
        return values

    def _asked(self, beginning: Sequence[str], steps: Sequence[str]) -> tuple[Message, ...]:
        shown = {
            "question": as_shown(self._state).question,
            "candidate": "".join(beginning).strip() or "(nothing yet)",
            "continuations": "\n\n".join(
                f"[{letter}] {step.strip()}" for letter, step in zip(ascii_uppercase, steps, strict=False)
            ),
        }
        return conversation(self._state.task, render(self._prompt, **shown))


def step_values(first: TokenLogprob, steps: int) -> list[float] | None:
    """P(letter) / (P(letter) + P(Z)) for each of so many letters; ``None`` if neither they nor Z are listed.

    A letter that is not listed is worth 0. If Z is not, it may still have as much as the least likely token that is,
    and no more than they leave: it counts as that much.
    """
    listed = {**dict(first.top), first.token: first.logprob}
    probabilities = {token: math.exp(min(logprob, 0.0)) for token, logprob in listed.items() if not math.isnan(logprob)}
    letters = (*ascii_uppercase[:steps], NONE)
    said = {
        letter: math.fsum(p for token, p in probabilities.items() if token.strip().upper() == letter)
        for letter in letters
    }
    if not any(said.values()):
        return None
    none = said[NONE] or max(0.0, min(*probabilities.values(), 1.0 - math.fsum(probabilities.values())))
    return [p / (p + none) if p else 0.0 for p in (said[letter] for letter in letters[:-1])]
