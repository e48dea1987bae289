"""The built-in techniques, one file each. Importing this package registers them."""

from techniques import rewards
from techniques.best_of_n import BestOfN
from techniques.chain_of_verification import ChainOfVerification
from techniques.critique import Critique
from techniques.debate import Debate
from techniques.evaluate_tests import EvaluateTests
from techniques.fuse import Fuse
from techniques.generate import Generate
from techniques.mixture_of_agents import MixtureOfAgents
from techniques.multi_persona import MultiPersona
from techniques.organize import Organize
from techniques.plan_search import PlanSearch
from techniques.rank import Rank
from techniques.re_read import ReRead
from techniques.reflect import Reflect
from techniques.round_trip import RoundTrip
from techniques.score import Score
from techniques.self_consistency import SelfConsistency
from techniques.self_refine import SelfRefine
from techniques.stepwise.a_star import AStar
from techniques.stepwise.beam_search import BeamSearch
from techniques.stepwise.dvts import Dvts
from techniques.stepwise.parallel_tempering import ParallelTempering
from techniques.stepwise.particle_filter import ParticleFilter
from techniques.stepwise.particle_gibbs import ParticleGibbs
from techniques.stepwise.step_beam import StepBeam
from techniques.stepwise.step_best_of_n import StepBestOfN
from techniques.stepwise.tree_of_thoughts import TreeOfThoughts
from techniques.tournament import Tournament
from techniques.unit_tests import UnitTests
from techniques.universal_self_consistency import UniversalSelfConsistency
from techniques.verify import Verify
from techniques.vote import Vote
from techniques.workers import Workers

__all__ = [
    "AStar",
    "BeamSearch",
    "BestOfN",
    "ChainOfVerification",
    "Critique",
    "Debate",
    "Dvts",
    "EvaluateTests",
    "Fuse",
    "Generate",
    "MixtureOfAgents",
    "MultiPersona",
    "Organize",
    "ParallelTempering",
    "ParticleFilter",
    "ParticleGibbs",
    "PlanSearch",
    "Rank",
    "ReRead",
    "Reflect",
    "RoundTrip",
    "Score",
    "SelfConsistency",
    "SelfRefine",
    "StepBeam",
    "StepBestOfN",
    "Tournament",
    "TreeOfThoughts",
    "UnitTests",
    "UniversalSelfConsistency",
    "Verify",
    "Vote",
    "Workers",
    "rewards",
]
