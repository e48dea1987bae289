"""Ask about every item of a set apart, and put the answers together outside the model."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from archon.concurrency import gather
from archon.errors import ConfigError, ModelError
from archon.knobs import ChoiceKnob, IntKnob
from archon.state import Candidate, Failure, State
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.prompts import as_shown, conversation, render, requires
from techniques.rewards.logprob import yes_probability
from techniques.stated import Label, state_answer

LIST = """\
Below is a question.

Question:
{question}

Do not answer it. List the items that it gives or that have to be looked at one by one, at most {items}, and the \
possible answers, at least two and at most {options}. Number them in square brackets under their headings, like this, \
and write nothing else:

Items:
[1] ...
[2] ...
Options:
[1] ...
[2] ..."""

PROBE = """\
Below are a question, one thing to look at, and a possible answer.

Question:
{question}

Look only at this: {item}

Possible answer: {option}

Going by that alone, does the answer fit? Reply with Yes or No and nothing else."""

REASONS = "Probabilities of the options:\n{options}"

HEADING = re.compile(r"^\W*(items|options)\W*$", re.IGNORECASE)
ENTRY = re.compile(r"^\s*\[\d+\]\s*(.*\S)")
YES_OR_NO = re.compile(r"\b(yes|no)\b", re.IGNORECASE)

TOP_LOGPROBS = 20
# One certain No must not make an option impossible whatever the other items say.
LEAST = 1e-9

Rule = Literal["product", "mean", "mixture", "max"]


class SetReason(Sampled, kind="set_reason"):
    """Ask about every item of a set apart, and put the answers together outside the model.

    Think: for each of the ``items`` and ``options``, a prompt of its own asks whether the option fits, judged by that
    item alone. P(Yes) is read off the first token's log-probabilities or, with ``k``, it is the share of Yes among
    ``k`` sampled verdicts, with one Yes and one No added. Sum: ``rule`` combines the items for each option, and the
    results are scaled to add up to 1. The ``product`` multiplies them, so that every item has to agree; ``mean``
    averages them; ``mixture`` averages the posterior over the options that each item has by itself; ``max`` takes the
    item that fits best. The likeliest option becomes the only candidate, in words that the architecture's answer
    format finds, with its posterior as the score; between equal ones the earlier decides.

    Items or options that are not given are asked of the model first, at most ``most_items`` and ``most_options``.
    A probe without an answer is recorded, and its item left out for every option, as the options could not be
    compared otherwise; without any item left, candidates of earlier layers stay, and the layer fails if every probe
    did. ``temperature`` and its like hold for lists and verdicts. Cost: items x options completions, times k if
    given, plus 1 to list what is not.

    Source: Ozturkler et al. 2022 (ThinkSum, arXiv:2210.01293), whose probes score an option's text; asking for Yes is
    our way of doing it over chat endpoints. How the paper names its rules was not checked.
    """

    calls: ClassVar[str] = "items × options, times k if given, plus 1 to list them"
    needs_candidates: ClassVar[bool] = False

    model: ModelRef
    items: tuple[Label, ...] = ()
    options: tuple[Label, ...] = ()
    rule: Annotated[Rule, ChoiceKnob(("product", "mean", "mixture", "max"))] = "product"
    k: Annotated[int | None, Field(ge=1), IntKnob(1, 16)] = None
    most_items: Annotated[int, Field(ge=1, le=100)] = 8
    most_options: Annotated[int, Field(ge=2, le=100)] = 6
    list_prompt: Annotated[str | None, requires("question", "items", "options")] = None
    probe_prompt: Annotated[str | None, requires("question", "item", "option")] = None

    @model_validator(mode="after")
    def _check_sets(self) -> Self:
        for name, given in (("items", self.items), ("options", self.options)):
            if len(set(given)) < len(given):
                raise ValueError(f"{name} must differ from each other")
        if len(self.options) == 1:
            raise ValueError("one option leaves nothing to decide; give two or more, or none to have them listed")
        return self

    async def __call__(self, state: State, context: Context) -> State:
        """Replace the candidates by the likeliest option.

        Raises:
            ConfigError: The endpoint reports no log-probabilities, or the answer format cannot find an option.
            ModelError: The sets could not be listed, or every probe failed.
        """
        self._check_context(context)
        items, options = self.items, self.options
        if not items or not options:
            listed = await self._list(state, context)
            items, options = items or listed[0], options or listed[1]
        if not items or len(options) < 2:
            reason = f"got {len(items)} items and {len(options)} options, which leaves nothing to compare"
            return state.with_failures([Failure(context.layer, "parse", reason)])
        pairs = [(item, option) for item in items for option in options]
        probed = await gather(self._probe(state, *pair, context.fork(index)) for index, pair in enumerate(pairs))
        rows = [probed[start : start + len(options)] for start in range(0, len(probed), len(options))]
        state = state.with_failures(
            Failure.of(context.layer, missing) if isinstance(missing, ModelError) else missing
            for missing in probed
            if not isinstance(missing, float)
        )
        whole = [numbers for row in rows if len(numbers := [p for p in row if isinstance(p, float)]) == len(options)]
        if not whole:
            errors = [missing for missing in probed if isinstance(missing, ModelError)]
            if len(errors) == len(probed):
                raise errors[0]
            return state
        posterior = aggregate(whole, self.rule)
        best = posterior.index(max(posterior))
        told = "\n".join(f"{option}: {p:.3f}" for option, p in zip(options, posterior, strict=True))
        text = state_answer(options[best], render(REASONS, options=told), context.answers) or options[best]
        return state.with_candidates([Candidate(text, f"{context.layer}/{self.model}", score=posterior[best])])

    def plan(self, candidates: int) -> Plan:
        """The lists, if they are not given, and the probes."""
        items, options = len(self.items) or self.most_items, len(self.options) or self.most_options
        listing = Ask(self.model, words=self.list_prompt or LIST, max_tokens=self.max_tokens)
        probing = replace(
            listing,
            requests=items * options,
            draws=self.k or 1,
            words=self.probe_prompt or PROBE,
            max_tokens=self._sampling["max_tokens"],
            makes="candidates",
        )
        given = self.items and self.options
        asks = (probing,) if given else (listing, replace(probing, step=1))
        return Plan(asks, 1, max(1, candidates), keeps=True)

    @property
    def _sampling(self) -> Mapping[str, Any]:
        if self.k is not None:
            return self.overrides
        return {"temperature": 0.0, "max_tokens": 1, "top_logprobs": TOP_LOGPROBS}

    def _check_context(self, context: Context) -> None:
        if self.k is None and not context.capabilities(self.model).logprobs:
            raise ConfigError(
                f"{context.layer}: the endpoint of '{self.model}' reports no log-probabilities; set k, the number of "
                "verdicts to sample instead."
            )
        for option in self.options:
            if state_answer(option, "", context.answers) is None:
                raise ConfigError(
                    f"{context.layer}: the answer format {context.answers.kind} does not find the option '{option}'; "
                    "name options that it finds."
                )

    async def _list(self, state: State, context: Context) -> tuple[tuple[str, ...], tuple[str, ...]]:
        numbers = {"items": str(self.most_items), "options": str(self.most_options)}
        prompt = render(self.list_prompt or LIST, question=as_shown(state).question, **numbers)
        (reply,) = await context.sample(self.model, conversation(state.task, prompt), **self.overrides)
        items, options = parse_sets(reply.text)
        return items[: self.most_items], options[: self.most_options]

    async def _probe(self, state: State, item: str, option: str, context: Context) -> float | ModelError | Failure:
        shown = {"question": as_shown(state).question, "item": item, "option": option}
        prompt = render(self.probe_prompt or PROBE, **shown)
        messages = conversation(state.task, prompt)
        outcomes = await context.attempt(self.model, messages, n=self.k or 1, **self._sampling)
        replies = [outcome for outcome in outcomes if not isinstance(outcome, ModelError)]
        # A verdict that is missing would make the share one of fewer than were asked for.
        if len(replies) < len(outcomes):
            return next(outcome for outcome in outcomes if isinstance(outcome, ModelError))
        probability: float | None
        if self.k is None:
            logprobs = replies[0].logprobs
            probability = yes_probability(logprobs[0]) if logprobs else None
        else:
            verdicts = [verdict for reply in replies if (verdict := parse_yes(reply.text)) is not None]
            probability = (sum(verdicts) + 1) / (len(verdicts) + 2) if verdicts else None
        if probability is None:
            return Failure(context.layer, "parse", f"neither Yes nor No about item '{item}' and option '{option}'")
        return probability


def aggregate(probabilities: Sequence[Sequence[float]], rule: Rule) -> list[float]:
    """The posterior over the options.

    Args:
        probabilities: For each item, of which there is at least one, the probability that each option fits.
        rule: How the items are combined.

    Returns:
        One probability per option; they add up to 1.
    """
    rows = [[math.log(max(p, LEAST)) for p in row] for row in probabilities]
    if rule == "mixture":
        rows = [[value - _log_sum(row) for value in row] for row in rows]
    columns = list(zip(*rows, strict=True))
    if rule == "product":
        combined = [math.fsum(column) for column in columns]
    elif rule == "max":
        combined = [max(column) for column in columns]
    else:
        # Dividing by the number of items would leave the posterior as it is.
        combined = [_log_sum(column) for column in columns]
    total = _log_sum(combined)
    return [math.exp(value - total) for value in combined]


def parse_sets(reply: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The numbered lines under the headings Items and Options, each text once."""
    found: dict[str, dict[str, None]] = {"items": {}, "options": {}}
    heading = None
    for line in reply.splitlines():
        if match := HEADING.match(line):
            heading = match[1].casefold()
        elif heading is not None and (match := ENTRY.match(line)):
            found[heading][match[1]] = None
    return tuple(found["items"]), tuple(found["options"])


def parse_yes(reply: str) -> bool | None:
    """Whether a reply says Yes; ``None`` if it says neither Yes nor No, or both."""
    said = {word.casefold() for word in YES_OR_NO.findall(reply)}
    return said == {"yes"} if len(said) == 1 else None


def _log_sum(values: Sequence[float]) -> float:
    """The logarithm of the sum of what these are the logarithms of."""
    most = max(values)
    return most + math.log(math.fsum(math.exp(value - most) for value in values))
