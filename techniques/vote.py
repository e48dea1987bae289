"""Choose the answer that most candidates agree on."""

from __future__ import annotations

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

    Source: Wang et al. 2022 (Self-Consistency, arXiv:2203.11171).
    """

    calls: ClassVar[str] = "0"

    async def __call__(self, state: State, context: Context) -> State:
        """Keep one candidate: the representative of the largest group."""
        answers = [context.answers.extract(candidate.text) for candidate in state.candidates]
        groups = equivalence_classes(answers, context.answers)
        if not groups:
            failure = Failure(context.layer, "parse", "no candidate holds an answer; the first one was kept")
            return state.with_candidates(state.candidates[:1]).with_failures([failure])
        most = max(map(len, groups))
        winners = [[state.candidates[index] for index in group] for group in groups if len(group) == most]
        # Sorting before the draw makes the outcome the same for every order of the candidates.
        tied = sorted((min(group, key=_preference) for group in winners), key=_preference)
        chosen = context.rng.choice(tied) if len(tied) > 1 else tied[0]
        votes = sum(map(len, groups))
        return state.with_candidates([replace(chosen, score=most / votes)])

    def plan(self, candidates: int) -> Plan:
        """It asks for nothing and leaves one."""
        return Plan((), 1)


def _preference(candidate: Candidate) -> tuple[float, int, str]:
    score = float("-inf") if candidate.score is None else candidate.score
    return (-score, len(candidate.text), candidate.text)
