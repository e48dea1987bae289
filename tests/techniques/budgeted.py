"""Runs a technique on a budget that is a number of calls."""

from __future__ import annotations

from archon.result import Result
from archon.state import Candidate
from archon.technique import Technique
from archon.testing import ScriptedModel, rehearse

CANDIDATES = (Candidate("The answer is 4.", "a"), Candidate("The answer is 5.", "b"))


def run_with(calls: int, technique: Technique, model: ScriptedModel) -> Result:
    """The result of ``technique``, on two candidates if it needs any."""
    candidates = CANDIDATES if technique.needs_candidates else ()
    return rehearse(technique, model, candidates=candidates, answer="math", budget={"calls": calls}).result
