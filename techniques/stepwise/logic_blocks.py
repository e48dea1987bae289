"""Put an answer together from logic blocks that a navigator chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import Field

from archon.errors import BudgetExhausted, ModelError
from archon.knobs import IntKnob
from archon.state import Candidate, Failure, State
from archon.stepwise import Partial
from archon.technique import Context, ModelRef
from techniques.prompts import as_shown, conversation, render, requires
from techniques.steps import Answering
from techniques.stepwise.base import StepReward
from techniques.stepwise.blocks import (
    DEBATE,
    DECOMPOSE,
    EVALUATE,
    MIDDLING,
    REASON,
    REFINE,
    TERMINATE,
    Block,
    Scores,
    Situation,
    allowed,
    form,
    joined,
    listed_aspects,
    parse_scores,
)
from techniques.stepwise.navigator import Heuristic, NavigatorField
from techniques.stepwise.scorer import ProcessReward

PROMPTS: Mapping[Block, str] = {
    "reason": REASON,
    "decompose": DECOMPOSE,
    "debate": DEBATE,
    "refine": REFINE,
    "terminate": TERMINATE,
}

DELIMITER = "\n\n"

BlockPrompt = Annotated[str | None, requires("question", "reasoning")]
"""A prompt that shows the question and the reasoning so far; ``None`` for the built-in one."""


class LogicBlocks(Answering, kind="logic_blocks"):
    """Put an answer together from logic blocks that a navigator chooses.

    Before every block the model scores the reasoning so far on seven aspects, and the navigator chooses by these
    scores what comes next: ``reason`` takes one step, ``decompose`` splits what is left into smaller tasks and solves
    them, ``debate`` weighs ways to go on, ``refine`` writes the last step anew, ``terminate`` writes the answer. The
    first block never terminates, only a step can be refined, and the last of ``max_steps`` blocks terminates. Scores
    that cannot be had are recorded, and the last ones there were, or middling ones, take their place; an empty step is
    recorded and passed over; after a call that failed the answer is written from what there is. When a budget runs
    out, the reasoning so far is the answer.

    With ``reward`` the reasoning is scored after every block, a process reward: episodes are collected, from whose
    trace events ``block`` a ``learned`` navigator is trained (docs/logic-blocks.md). ``explore`` is how often a block
    is then drawn at random. Cost: at most 2 x max_steps completions, and the reward's; one completion per block where
    the navigator reads no scores and there is no reward.

    Example:
        - logic_blocks:
            model: solver
            navigator: {fixed: {blocks: [decompose, reason, refine]}}

    Source: Hao et al. 2025 (RL-of-Thoughts, arXiv:2505.14140). That there are seven aspects scored from 1 to 3, which
    blocks there are, and that a dueling double DQN of fewer than 3,000 parameters chooses them, is the paper's; the
    prompts, the wording and names of the aspects (all phrased so that 3 is best), that every block is a single call,
    what is allowed when, and ``max_steps`` are ours, unverified against it. The paper trains while it collects, on hard
    questions and with a trained process reward model; here training is on recorded episodes and any reward serves.
    """

    calls: ClassVar[str] = "at most 2 × max_steps, plus the reward's"

    model: ModelRef
    navigator: NavigatorField = Heuristic()
    max_steps: Annotated[int, Field(ge=2), IntKnob(2, 12)] = 6
    reward: StepReward | None = None
    explore: Annotated[float, Field(ge=0, le=1)] = 0.0
    reason_prompt: BlockPrompt = None
    decompose_prompt: BlockPrompt = None
    debate_prompt: BlockPrompt = None
    refine_prompt: Annotated[str | None, requires("question", "reasoning", "last")] = None
    terminate_prompt: BlockPrompt = None
    evaluate_prompt: Annotated[str | None, requires("question", "reasoning", "aspects")] = None

    async def __call__(self, state: State, context: Context) -> State:
        """Replace the candidates by one answer.

        Raises:
            ModelError: There is no answer, nor the beginning of one; the first error.
        """
        episode = _Episode(self, state, context)
        text = await episode.run()
        if not text and episode.errors:
            raise episode.errors[0]
        answers = [Candidate(text, f"{context.layer}/{self.model}#0", score=episode.score)] if text else []
        return state.with_candidates(answers).with_failures(episode.failures)

    def prompt(self, block: Block) -> str:
        """What the model is told in a block."""
        own: str | None = getattr(self, f"{block}_prompt")
        return own or PROMPTS[block]


@dataclass(frozen=True, slots=True)
class _Look:
    """How things stand before a block: what the navigator knows, and the scores if they were asked for and read."""

    situation: Situation
    read: Scores | None

    def data(self) -> dict[str, Any]:
        """The state as it stands in the trace."""
        return {"scores": self.read, "allowed": self.situation.allowed}


@dataclass(slots=True)
class _Episode:
    """One question on its way through the blocks.

    Attributes:
        settings: The technique.
        state: What it was given.
        context: Where it draws.
        steps: The reasoning so far.
        done: The blocks so far, those included that brought nothing.
        scores: The last scores there were.
        score: The last reward there was.
        failures: What went missing.
        errors: The errors of blocks among them.
    """

    settings: LogicBlocks
    state: State
    context: Context
    steps: tuple[str, ...] = ()
    done: tuple[Block, ...] = ()
    scores: Scores = MIDDLING
    score: float | None = None
    failures: list[Failure] = field(default_factory=list)
    errors: list[ModelError] = field(default_factory=list)

    async def run(self) -> str:
        """The answer, the reasoning so far where it is cut off, or nothing where there is not even that."""
        look: _Look | None = await self._look()
        answer = ""
        while look is not None:
            block = self._choose(look.situation)
            text = await self._ask(block)
            self.done = (*self.done, block)
            if text and block == "terminate":
                answer = text
            elif text:
                self.steps = (*(self.steps[:-1] if block == "refine" else self.steps), text)
            reward = await self._score(answer) if text else None
            ends = block == "terminate" or self._cut
            following = None if ends else await self._look()
            # What follows belongs to the event, so that each can be learnt from by itself.
            after = None if following is None else following.data()
            event = {"step": len(self.done) - 1, **look.data(), "block": block, "reward": reward, "next": after}
            self.context.record("block", event)
            look = following
        return answer or DELIMITER.join(self.steps)

    @property
    def _cut(self) -> bool:
        """Whether nothing more can be had: the money is gone, or the first block failed."""
        return bool(self.errors) and (not self.steps or isinstance(self.errors[-1], BudgetExhausted))

    async def _look(self) -> _Look:
        possible = allowed(len(self.steps), len(self.done), self.settings.max_steps)
        if self.errors:
            possible = ("terminate",)
        read = None
        if self.settings.reward is not None or (self.settings.navigator.reads_scores and len(possible) > 1):
            read = await self._evaluate()
        self.scores = read or self.scores
        return _Look(Situation(self.scores, self.done, possible), read)

    def _choose(self, situation: Situation) -> Block:
        if self.settings.explore and self.context.rng.random() < self.settings.explore:
            return self.context.rng.choice(situation.allowed)
        return self.settings.navigator.choose(situation)

    async def _evaluate(self) -> Scores | None:
        template = self.settings.evaluate_prompt or EVALUATE
        reply = await self._say(template, reasoning=joined(self.steps), aspects=listed_aspects(), form=form())
        if isinstance(reply, ModelError):
            self.failures.append(Failure.of(self.context.layer, reply))
            return None
        scores = parse_scores(reply)
        if scores is None:
            problem = f"no score for every aspect in {reply[-60:]!r}"
            self.failures.append(Failure(self.context.layer, "parse", problem))
        return scores

    async def _ask(self, block: Block) -> str:
        shown = {"reasoning": joined(self.steps)}
        if block == "refine":
            shown = {"reasoning": joined(self.steps[:-1]), "last": self.steps[-1]}
        reply = await self._say(self.settings.prompt(block), **shown)
        if isinstance(reply, ModelError):
            self.errors.append(reply)
            self.failures.append(Failure.of(self.context.layer, reply))
            return ""
        if not reply:
            self.failures.append(Failure(self.context.layer, "parse", f"the reply to {block} is empty"))
        return reply

    async def _say(self, template: str, **shown: str) -> str | ModelError:
        prompt = render(template, question=as_shown(self.state).question, **shown)
        messages = conversation(self.state.task, prompt)
        (outcome,) = await self.context.attempt(self.settings.model, messages, **self.settings.overrides)
        return outcome if isinstance(outcome, ModelError) else outcome.text.strip()

    async def _score(self, answer: str) -> float | None:
        """The reward of the reasoning so far, with the answer if there is one."""
        if self.settings.reward is None:
            return None
        # A fork for every block: a refined step may come out as it was and must not be given the same sample.
        fork = self.context.fork(f"reward {len(self.done)}")
        scorer = ProcessReward(self.settings.reward, self.state, fork, delimiter=DELIMITER)
        steps = tuple(step + DELIMITER for step in self.steps)
        partial = Partial((*steps, answer), end="stop") if answer else Partial(steps)
        (score,) = await scorer.score([partial])
        if isinstance(score, Failure):
            self.failures.append(score)
            return None
        self.score = score
        return score
