"""The logic blocks that reasoning is put together from, and the scores by which a model judges its own reasoning."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Block = Literal["reason", "decompose", "debate", "refine", "terminate"]
BLOCKS: tuple[Block, ...] = get_args(Block)

Scores = tuple[int, ...]
"""One score from 1 to 3 for each of :data:`ASPECTS`, in their order; 3 is best."""

ASPECTS: Mapping[str, str] = {
    "modeling": "the question is understood rightly and nothing it says is left out of account",
    "calculation": "every calculation and every inference made so far is right",
    "clarity": "it is clear what has to be done next",
    "simplicity": "what remains to be done is simple",
    "agreement": "there is one way to go, rather than several that lead to different results",
    "coverage": "no step that the conclusion rests on is missing",
    "closeness": "the final answer is reached or nearly so",
}
"""What the reasoning is scored on: how right it is (the first two), how hard the rest is, how complete it is."""

MIDDLING: Scores = (2,) * len(ASPECTS)
"""What is assumed as long as no scores are known."""

NOTHING = "(nothing yet)"

EVALUATE = """\
Below are a question and the reasoning about it so far.

Question:
{question}

Reasoning so far:
{reasoning}

Do not go on with the reasoning. Score it on each of these aspects with 1 (no), 2 (in part) or 3 (yes):
{aspects}

Reply with these lines and nothing else, with your score in place of each question mark:

{form}"""

REASON = """\
Below are a question and the reasoning about it so far.

Question:
{question}

Reasoning so far:
{reasoning}

Take the next step, and only that one. Go on where the reasoning ends, without repeating it."""

DECOMPOSE = """\
Below are a question and the reasoning about it so far.

Question:
{question}

Reasoning so far:
{reasoning}

Split what remains to be done into a few smaller tasks, in the order in which they build on each other, and solve them \
one after the other. Go on where the reasoning ends, without repeating it."""

DEBATE = """\
Below are a question and the reasoning about it so far.

Question:
{question}

Reasoning so far:
{reasoning}

Describe two or three different ways to go on, let each be criticised by those who would take another, and decide \
which of them is best. Then take the next step that way. Do not repeat the reasoning so far."""

REFINE = """\
Below are a question, the reasoning about it so far, and its last step.

Question:
{question}

Reasoning before the last step:
{reasoning}

Last step:
{last}

Check the last step against the question and against what comes before it. Then write this step anew, with what is \
wrong put right, what is unclear made clear and what is missing added. It takes the place of the old one, so do not \
mention that there was one."""

TERMINATE = """\
Below are a question and the reasoning about it so far.

Question:
{question}

Reasoning so far:
{reasoning}

Finish now: answer the question completely and in the form it asks for, on the strength of this reasoning, without \
mentioning that it was given to you."""

RANGE = r"(?:\s{0,9}\(1\s?(?:-|–|to|,)\s?(?:2,\s?)?3\))?"
SCORES = {
    name: re.compile(
        rf"\b{name}\b{RANGE}[^\w\n]{{0,9}}(?<![-−.])([123])(?![\w.]*\d)(?!\s*(?:-|–|to\b)\s*\d)", re.IGNORECASE
    )
    for name in ASPECTS
}


@dataclass(frozen=True, slots=True)
class Situation:
    """What a navigator knows when it chooses.

    Attributes:
        scores: How the model scores the reasoning; the last scores there were, or middling ones, where they could not
            be had.
        done: The blocks so far.
        allowed: What there is to choose from, at least one.
    """

    scores: Scores
    done: tuple[Block, ...]
    allowed: tuple[Block, ...]


def allowed(steps: int, done: int, max_steps: int) -> tuple[Block, ...]:
    """The blocks that make sense next, in the order of :data:`BLOCKS`.

    The first block never terminates, there must be a step to refine, and the last block can only terminate.

    Args:
        steps: How many steps the reasoning has.
        done: How many blocks were tried.
        max_steps: How many there may be, the terminating one included.
    """
    if done + 1 >= max_steps:
        return ("terminate",)
    possible = {"terminate": done > 0, "refine": steps > 0}
    return tuple(block for block in BLOCKS if possible.get(block, True))


def listed_aspects() -> str:
    """The aspects with what each of them means, as they stand in the prompt."""
    return "\n".join(f"- {name}: {meaning}" for name, meaning in ASPECTS.items())


def form() -> str:
    """The lines of the reply that is asked for, without the scores; small models copy an example that is not whole."""
    return "\n".join(f"{name}: ?" for name in ASPECTS)


def parse_scores(reply: str) -> Scores | None:
    """The scores in a reply, ``None`` unless it gives one from 1 to 3 for every aspect.

    A score stands right behind the name of its aspect; where there are several, the last counts.
    """
    found = [pattern.findall(reply) for pattern in SCORES.values()]
    if not all(found):
        return None
    return tuple(int(scores[-1]) for scores in found)


def joined(steps: Sequence[str]) -> str:
    """The reasoning as a text, or that there is none."""
    return "\n\n".join(steps) or NOTHING
