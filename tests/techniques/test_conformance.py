"""Every built-in technique owes its users the same things."""

from __future__ import annotations

from archon.models.base import Request
from archon.testing import TechniqueConformance
from techniques import Critique, EvaluateTests, Fuse, Generate, Rank, Tournament, UnitTests, Verify, Vote
from techniques.verify import VERDICT


def _judge(request: Request, index: int) -> str:
    """Reasons, and passes every response that says 4."""
    if request.messages[-1].content != VERDICT:
        return f"Two and two make four, says check {request.wire_seed()}."
    return "[Correct]" if "is 4" in request.messages[-3].content else "[Incorrect]"


def _prefer_4(request: Request, index: int) -> str:
    """Prefers the response that says 4, wherever it stands."""
    first, _, second = request.messages[-1].content.partition("\n\n[2]\n")
    if ("is 4" in first) == ("is 4" in second):
        return f"Both are alike, says comparison {request.wire_seed()}.\n[tie]"
    return "Four is right.\n" + ("[1]" if "is 4" in first else "[2]")


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


class TestRankInPasses(TechniqueConformance):
    technique = Rank(model="m", keep=2, passes=3, window=2)
    script = staticmethod(lambda request, index: "[2] > [1]")


class TestTournament(TechniqueConformance):
    technique = Tournament(model="m", keep=2)
    script = staticmethod(_prefer_4)


class TestTournamentOfAllPairs(TechniqueConformance):
    technique = Tournament(model="m", method="all_pairs", comparisons=2)
    script = staticmethod(_prefer_4)


class TestTournamentByKnockout(TechniqueConformance):
    technique = Tournament(model="m", method="knockout")
    script = staticmethod(_prefer_4)


class TestTournamentWithPivots(TechniqueConformance):
    technique = Tournament(model="m", method="pivot", pivots=2)
    script = staticmethod(_prefer_4)


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
