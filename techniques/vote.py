"""Choose the answer that most candidates agree on."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

from archon.answers import equivalence_classes
from archon.state import Candidate, Failure, State
from archon.technique import Context, Plan, Technique


class Vote(Technique, kind="vote"):
    """Choose the answer that most candidates agree on.

    Answers are extracted and grouped by equivalence (its transitive closure), so that 0.5 and 1/2 vote together.
    Ties between groups are broken by the seed, never by the order of the candidates; the group is represented by
    its highest score, then its shortest text. Candidates without an answer do not vote; if none has one, that is
    recorded and the first candidate stays. The winner's score is its share of the votes cast. Cost: none.

    With ``weighted``, the group wins whose scores add up to most. Candidates without a score do not vote either, and
    the winner keeps its own score.

    Source: Wang et al. 2022 (Self-Consistency, arXiv:2203.11171); weighted as in Li et al. 2022 (DIVERSE,
    arXiv:2206.02336).
    """

    calls: ClassVar[str] = "0"

    weighted: bool = False

    async def __call__(self, state: State, context: Context) -> State:
        """Keep one candidate: the representative of the group with the most votes."""
        voters = [c for c in state.candidates if c.score is not None or not self.weighted]
        groups = equivalence_classes([context.answers.extract(voter.text) for voter in voters], context.answers)
        if not groups:
            lacking = "an answer and a score" if self.weighted else "an answer"
            failure = Failure(context.layer, "parse", f"no candidate holds {lacking}; the first one was kept")
            return state.with_candidates(state.candidates[:1]).with_failures([failure])
        # Exact sums are the same for every order of the candidates.
        votes = [math.fsum(self._weight(voters[index]) for index in group) for group in groups]
        winners = [group for group, given in zip(groups, votes, strict=True) if given == max(votes)]
        # Sorting before the draw makes the outcome the same for every order of the candidates.
        tied = sorted((min((voters[index] for index in group), key=_preference) for group in winners), key=_preference)
        chosen = context.rng.choice(tied) if len(tied) > 1 else tied[0]
        if not self.weighted:
            chosen = replace(chosen, score=max(votes) / sum(votes))
        return state.with_candidates([chosen])

    def plan(self, candidates: int) -> Plan:
        """It asks for nothing and leaves one."""
        return Plan((), 1)

    def _weight(self, candidate: Candidate) -> float:
        return candidate.score or 0.0 if self.weighted else 1.0


def _preference(candidate: Candidate) -> tuple[float, int, str]:
    score = float("-inf") if candidate.score is None else candidate.score
    return (-score, len(candidate.text), candidate.text)
