"""Let several workers work on one question at once, each seeing the others' partial progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from archon.concurrency import gather
from archon.errors import ModelError
from archon.knobs import IntKnob
from archon.state import Candidate, Message, State
from archon.technique import Ask, Context, Plan
from techniques.prompts import as_shown, conversation, listing, render, requires
from techniques.steps import Outcome, Panel, draw, settle

WORK = """\
{count} workers solve the question below together, at the same time. You are worker [{number}].

Question:
{question}

What each worker has written so far:
{notes}

Go on with your own work from where it stands, in at most {words} words; you and the others will see it in the next \
round. Do not repeat what is there: use what others found, point out their mistakes, and take on what nobody works \
on."""

ANSWER = """\
{count} workers have worked on the question below together. You are worker [{number}].

Question:
{question}

What each worker has written:
{notes}

Now answer the question directly and completely, in the form it asks for. Check what you take over, and do not \
mention the workers."""

# What a token is worth of an English word, rounded down, so that a piece ends before it is cut.
WORDS_PER_TOKEN = 0.6

NotesPrompt = Annotated[str | None, requires("question", "notes")]


class Workers(Panel, kind="workers"):
    """Let several workers work on one question at once, each seeing the others' partial progress.

    In every round all workers write the next piece of their work, at most ``piece`` tokens, with everything in view
    that all have written in the rounds before; then each gives one answer. The paper's workers share an attention
    cache and see each other token by token; over chat endpoints they see each other piece by piece. A piece that
    fails is recorded and missing from then on. Where a worker's answer cannot be had, its work so far stands in for
    it. Cost: models x n x (rounds + 1) completions.

    Source: Rodionov et al. 2025 (Hogwild! Inference, arXiv:2504.06261).
    """

    calls: ClassVar[str] = "models × n × (rounds + 1)"

    n: Annotated[int, Field(ge=1), IntKnob(1, 8)] = 2
    rounds: Annotated[int, Field(ge=1), IntKnob(1, 8)] = 3
    piece: Annotated[int, Field(ge=1), IntKnob(32, 1024, log=True)] = 256
    work_prompt: NotesPrompt = None
    answer_prompt: NotesPrompt = None

    async def __call__(self, state: State, context: Context) -> State:
        """Replace the candidates by one answer per worker."""
        members = self.members
        # A worker that is asked the same in two rounds must not be given the same sample, so its branch stays.
        branches = [context.fork(index) for index in range(len(members))]
        work: list[list[str]] = [[] for _ in members]

        async def ask(template: str, **sampling: int) -> list[Outcome]:
            asked = [self._prompt(state, template, work, index) for index in range(len(members))]
            replies = await gather(
                draw(branches[index], ref, asked[index], first=index, **{**self.overrides, **sampling})
                for index, ref in enumerate(members)
            )
            return [outcome for (outcome,) in replies]

        outcomes: list[Outcome] = []
        for _ in range(self.rounds):
            pieces = await ask(self.work_prompt or WORK, max_tokens=self.piece)
            for index, piece in enumerate(pieces):
                if isinstance(piece, ModelError):
                    outcomes.append(piece)
                elif piece.text.strip():
                    work[index].append(piece.text.strip())
        for index, answer in enumerate(await ask(self.answer_prompt or ANSWER)):
            outcomes.append(answer)
            if isinstance(answer, ModelError) and work[index]:
                outcomes.append(Candidate("\n\n".join(work[index]), f"{context.layer}/{members[index]}#{index}"))
        return settle(state, outcomes, context)

    def plan(self, candidates: int) -> Plan:
        """All pieces, then the answers."""
        members = len(self.members)
        pieces = [
            Ask(
                ref,
                requests=self.n,
                step=step,
                words=self.work_prompt or WORK,
                replies=members * step,
                max_tokens=self.piece,
            )
            for step in range(self.rounds)
            for ref in self.models
        ]
        answers = [
            replace(
                piece,
                step=self.rounds,
                words=self.answer_prompt or ANSWER,
                replies=members * self.rounds,
                max_tokens=self.max_tokens,
                makes="candidates",
            )
            for piece in pieces[: len(self.models)]
        ]
        return Plan((*pieces, *answers), members)

    def _prompt(self, state: State, template: str, work: Sequence[Sequence[str]], index: int) -> tuple[Message, ...]:
        prompt = render(
            template,
            count=str(len(work)),
            number=str(index + 1),
            question=as_shown(state).question,
            notes=listing([Candidate("\n\n".join(pieces) or "(nothing yet)") for pieces in work]),
            words=str(max(1, int(self.piece * WORDS_PER_TOKEN))),
        )
        return conversation(state.task, prompt)
