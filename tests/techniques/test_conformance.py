"""Every built-in technique owes its users the same things."""

from __future__ import annotations

from archon.models.base import Request
from archon.state import Candidate
from archon.testing import TechniqueConformance
from techniques import (
    BestOfN,
    ChainOfVerification,
    Critique,
    Debate,
    EvaluateTests,
    Formalize,
    Fuse,
    Generate,
    Hint,
    MixtureOfAgents,
    MultiPersona,
    Organize,
    PlanSearch,
    Rank,
    Reflect,
    ReRead,
    RoundTrip,
    Score,
    SelfConsistency,
    SelfRefine,
    SetReason,
    Tournament,
    UnitTests,
    UniversalSelfConsistency,
    Verify,
    Vote,
    Workers,
)
from techniques.rewards import Ensemble, Judge, Pairwise
from techniques.verify import VERDICT
from tests.techniques.formulas import ARGUMENTS


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


class TestUnitTestsInCode(TechniqueConformance):
    technique = UnitTests(model="m", n=2, code=True)
    script = staticmethod(lambda request, index: f"```python\nassert f() == 4\nassert f() < {request.wire_seed()}\n```")


class TestExecutedTests(TechniqueConformance):
    technique = EvaluateTests(execute=True)
    candidates = (Candidate("is_four = 4", "a"), Candidate("is_four = 5", "b"), Candidate("is four", "c"))
    unit_tests = ("assert is_four == 4",)


class TestExecutedTestsFirst(TechniqueConformance):
    technique = EvaluateTests(execute=True, first_k=1)
    candidates = (Candidate("is_four = 4", "a"), Candidate("is_four = 5", "b"))
    unit_tests = ("assert is_four == 4",)


class TestVote(TechniqueConformance):
    technique = Vote()


def _numbered(request: Request, index: int) -> str:
    """As many numbered items as any prompt asks for."""
    return "\n".join(f"[{number}] item {number} of {request.wire_seed()}" for number in range(1, 6))


class TestReRead(TechniqueConformance):
    technique = ReRead(model=("a", "b"), n=2)
    candidates = ()


class TestMixtureOfAgents(TechniqueConformance):
    technique = MixtureOfAgents(model=("a", "b"), n=2, rounds=3, aggregator="c")
    candidates = ()


class TestDebate(TechniqueConformance):
    technique = Debate(model=("a", "b"), n=2, rounds=3)
    candidates = ()


class TestDebateWithJudge(TechniqueConformance):
    technique = Debate(model="a", judge="b")
    candidates = ()


class TestWorkers(TechniqueConformance):
    technique = Workers(model=("a", "b"), n=2, rounds=2)
    candidates = ()


class TestOrganize(TechniqueConformance):
    technique = Organize(model="m", n=3)
    candidates = ()


class TestPlanSearch(TechniqueConformance):
    technique = PlanSearch(model="m", n=3)
    script = staticmethod(_numbered)
    candidates = ()


class TestMultiPersona(TechniqueConformance):
    technique = MultiPersona(model="m")
    script = staticmethod(_numbered)
    candidates = ()


class TestMultiPersonaGiven(TechniqueConformance):
    technique = MultiPersona(model="m", personas=("A doctor.", "A lawyer."))
    candidates = ()


class TestUniversalSelfConsistency(TechniqueConformance):
    technique = UniversalSelfConsistency(model="m")
    script = staticmethod(lambda request, index: "Most say 4.\n[3]")


class TestSelfRefine(TechniqueConformance):
    technique = SelfRefine(model="m", rounds=2)
    script = staticmethod(lambda request, index: "[Stop]" if "is 5" in str(request) else f"no {request.wire_seed()}")
    planned = staticmethod(lambda request, index: f"no {request.wire_seed()}\n[Revise]")


class TestReflect(TechniqueConformance):
    technique = Reflect(model="m", rounds=2)
    script = staticmethod(lambda request, index: "[Stop]" if "is 5" in str(request) else f"no {request.wire_seed()}")
    planned = staticmethod(lambda request, index: f"no {request.wire_seed()}\n[Revise]")


class TestHint(TechniqueConformance):
    technique = Hint(model="m", rounds=2, executions=1)
    script = staticmethod(lambda request, index: f"print({request.wire_seed()})\n```\nSo it is.")


class TestChainOfVerification(TechniqueConformance):
    technique = ChainOfVerification(model="m", questions=2)
    script = staticmethod(_numbered)


class TestRoundTrip(TechniqueConformance):
    technique = RoundTrip(model="m")
    script = staticmethod(lambda request, index: "The answer is 5.")
    planned = staticmethod(lambda request, index: "is 5" if "is 5" in str(request) else "is 4, or so")


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


class TestScoreAndKeep(TechniqueConformance):
    technique = Score(reward=Judge(model="m"), keep=2)
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


class TestFormalize(TechniqueConformance):
    technique = Formalize(model="m", n=3)
    script = staticmethod(lambda request, index: ARGUMENTS[index].reply)
    candidates = ()


def _list_and_say(request: Request, index: int) -> str:
    """Lists as many items and options as are asked for, and finds that option 2 fits."""
    prompt = request.messages[-1].content
    if "List the items" in prompt:
        return "Items:\n[1] one\n[2] two\nOptions:\n[1] 4\n[2] 5"
    return "Yes" if "answer: 5" in prompt else "No"


class TestSetReason(TechniqueConformance):
    technique = SetReason(model="m", items=("one", "two"), options=("4", "5"), k=2)
    script = staticmethod(_list_and_say)
    candidates = ()


class TestSetReasonListing(TechniqueConformance):
    technique = SetReason(model="m", k=1, most_items=2, most_options=2)
    script = staticmethod(_list_and_say)
    candidates = ()
