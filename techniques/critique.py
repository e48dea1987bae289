"""Name strengths and weaknesses of every candidate."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import ClassVar

from archon.concurrency import gather
from archon.errors import ModelError
from archon.state import Candidate, Failure, State
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.prompts import CandidatesPrompt, as_shown, conversation, listing, render

PROMPT = """\
Below are a question and {count} numbered responses to it.

Question:
{question}

Responses:
{candidates}

For each response, name its strengths and its weaknesses: check every step and every fact, and say where it goes \
wrong or what is missing. Do not write a new answer. Give one section per response, each starting with its number \
in square brackets on a line of its own, like this:

[1]
Strengths: ...
Weaknesses: ..."""

SECTION = re.compile(r"^[ \t#*>-]*(?:response\s*)?\[(\d+)\][\s:*.-]*", re.IGNORECASE | re.MULTILINE)


class Critique(Sampled, kind="critique"):
    """Name strengths and weaknesses of every candidate.

    One call sees all candidates, so that they are judged against each other. A candidate whose section is missing
    from the reply is criticised by a call of its own; if that fails too, it is recorded and the candidate goes on
    without. Cost: 1 completion, plus 1 per missing section.

    Source: Saad-Falcon et al. 2024 (Archon, arXiv:2409.15254), section 3.

    Example:
        - generate: {model: solver, n: 8}
        - critique: {model: judge}
        - fuse: {model: judge}
    """

    calls: ClassVar[str] = "1, plus 1 per missing section"

    model: ModelRef
    prompt: CandidatesPrompt = None

    async def __call__(self, state: State, context: Context) -> State:
        """Add one remark to every candidate."""
        together = await self._ask(state, state.candidates, context)
        missing = [index for index, critique in enumerate(together) if critique is None]
        alone = await gather(self._ask_alone(state, state.candidates[index], context.fork(index)) for index in missing)
        critiques: list[str | Failure | None] = list(together)
        for index, critique in zip(missing, alone, strict=True):
            critiques[index] = critique
        candidates = [
            candidate.with_critique(critique) if isinstance(critique, str) else candidate
            for candidate, critique in zip(state.candidates, critiques, strict=True)
        ]
        failures = [critique for critique in critiques if isinstance(critique, Failure)]
        return state.with_candidates(candidates).with_failures(failures)

    def plan(self, candidates: int) -> Plan:
        """One request about all of them, if no section is missing from the reply."""
        together = Ask(
            self.model,
            words=self.prompt or PROMPT,
            reads=candidates,
            max_tokens=self.max_tokens,
            makes="remarks",
        )
        alone = replace(together, requests=0, most=candidates, reads=1, step=1)
        return Plan((together, alone), candidates)

    async def _ask(self, state: State, candidates: tuple[Candidate, ...], context: Context) -> list[str | None]:
        prompt = render(
            self.prompt or PROMPT,
            count=str(len(candidates)),
            question=as_shown(state).question,
            candidates=listing(candidates),
        )
        (reply,) = await context.sample(self.model, conversation(state.task, prompt), **self.overrides)
        return parse_critiques(reply.text, len(candidates))

    async def _ask_alone(self, state: State, candidate: Candidate, context: Context) -> str | Failure:
        try:
            (critique,) = await self._ask(state, (candidate,), context)
        except ModelError as error:
            return Failure.of(context.layer, error)
        return critique or Failure(context.layer, "parse", "the model wrote no critique")


def parse_critiques(reply: str, count: int) -> list[str | None]:
    """The critique of each of ``count`` candidates, ``None`` where the reply has no section for it.

    Sections start with ``[number]`` at the beginning of a line; of several for one candidate the longest counts.
    A single candidate needs no heading.
    """
    found: dict[int, str] = {}
    headings = list(SECTION.finditer(reply))
    for heading, following in zip(headings, [*headings[1:], None], strict=False):
        body = reply[heading.end() : following.start() if following else None].strip()
        # A model may cite a number with more digits than any list has; it names no candidate.
        number = int(heading[1]) if len(heading[1]) < 6 else 0
        if len(body) > len(found.get(number, "")):
            found[number] = body
    if count == 1 and 1 not in found and reply.strip():
        found[1] = reply.strip()
    return [found.get(number) for number in range(1, count + 1)]
