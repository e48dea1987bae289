"""Every built-in technique owes its users the same things."""

from __future__ import annotations

from archon.models.base import Request
from archon.state import Candidate
from archon.testing import TechniqueConformance
from techniques import (
    BestOfN,
    Critique,
    EvaluateTests,
    Fuse,
    Generate,
    Rank,
    Score,
    SelfConsistency,
    UnitTests,
    Verify,
    Vote,
)
from techniques.rewards import Ensemble, Judge, Pairwise
from techniques.verify import VERDICT


def _judge(request: Request, index: int) -> str:
    """Reasons, and passes every response that says 4."""
    if request.messages[-1].content != VERDICT:
        return f"Two and two make four, says check {request.wire_seed()}."
    return "[Correct]" if "is 4" in request.messages[-3].content else "[Incorrect]"


class TestGenerate(TechniqueConformance):
    technique = Generate(model="m")
    candidates = ()


class TestGenerateWithSystem(TechniqueConformance):
    technique = Generate(model="m", n=2, system="Be brief.", temperature=0.5)
    candidates = ()


class TestGenerateSeveral(TechniqueConformance):
    technique = Generate(model=("a", "b"), n=3)
    candidates = ()


class TestCritique(TechniqueConformance):
    technique = Critique(model="m")
    script = staticmethod(lambda request, index: "[1]\nright\n[2]\nwrong\n[3]\nright too")


class TestCritiqueFollowingUp(TechniqueConformance):
    technique = Critique(model="m")
    script = staticmethod(lambda request, index: f"[1]\nremark {request.wire_seed()}")
    planned = staticmethod(TestCritique.script)


class TestRank(TechniqueConformance):
    technique = Rank(model="m", keep=2)
    script = staticmethod(lambda request, index: "[3] > [1] > [2]")


class TestFuse(TechniqueConformance):
    technique = Fuse(model="m", n=2, length_control=True)


class TestVerify(TechniqueConformance):
    technique = Verify(model="m")
    script = staticmethod(_judge)
    planned = "[Correct]"


class TestVerifyFirst(TechniqueConformance):
    technique = Verify(model="m", first_k=1)
    script = staticmethod(_judge)
    planned = "[Correct]"


class TestVerifyFirstTwo(TechniqueConformance):
    technique = Verify(model="m", first_k=2)
    script = staticmethod(_judge)
    planned = "[Correct]"


class TestUnitTests(TechniqueConformance):
    technique = UnitTests(model="m", n=2, show=True)
    script = staticmethod(lambda request, index: f"[1] It says 4.\n[2] It says {request.wire_seed()}.")


class TestEvaluateTests(TechniqueConformance):
    technique = EvaluateTests(model="m", keep=2)
    script = staticmethod(lambda request, index: "[1] PASS\n[2] " + ("PASS" if "is 5" in str(request) else "FAIL"))
    unit_tests = ("It says 4.", "It is short.")


class TestEvaluateTestsFirst(TechniqueConformance):
    technique = EvaluateTests(model="m", first_k=1)
    script = staticmethod(lambda request, index: "[1] PASS\n[2] " + ("PASS" if "is 5" in str(request) else "FAIL"))
    planned = "[1] PASS\n[2] PASS"
    unit_tests = ("It says 4.", "It is short.")


class TestVote(TechniqueConformance):
    technique = Vote()


class TestWeightedVote(TechniqueConformance):
    technique = Vote(weighted=True)
    candidates = (Candidate("is 4", score=0.5), Candidate("is 5", score=0.25), Candidate("is 4"))


def _solve_and_rate(request: Request, index: int) -> str:
    """Answers, or rates and compares."""
    number = request.wire_seed() % 7
    return f"The answer is {number}. Rating: [{number + 1}]\n[{1 + number % 2}]"


class TestScore(TechniqueConformance):
    technique = Score(reward=Ensemble(rewards=(Judge(model="m"), Pairwise(model="j")), penalty=1))
    script = staticmethod(_solve_and_rate)


class TestBestOfN(TechniqueConformance):
    technique = BestOfN(model="m", n=3, reward=Judge(model="m"))
    script = staticmethod(_solve_and_rate)
    candidates = ()


class TestWeightedBestOfN(TechniqueConformance):
    technique = BestOfN(model=("a", "b"), n=2, reward=Judge(model="a"), weighted=True)
    script = staticmethod(_solve_and_rate)
    candidates = ()


class TestSelfConsistency(TechniqueConformance):
    technique = SelfConsistency(model="m", n=3)
    script = staticmethod(_solve_and_rate)
    candidates = ()


class TestWeightedSelfConsistency(TechniqueConformance):
    technique = SelfConsistency(model="m", n=3, reward=Pairwise(model="j"))
    script = staticmethod(_solve_and_rate)
    candidates = ()
