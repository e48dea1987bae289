"""The built-in rewards, one file each. Importing this package registers them."""

from techniques.rewards.ensemble import Ensemble
from techniques.rewards.generative import Generative
from techniques.rewards.http import Http
from techniques.rewards.judge import Judge
from techniques.rewards.logprob import Logprob
from techniques.rewards.pairwise import Pairwise
from techniques.rewards.passed_tests import PassedTests
from techniques.rewards.pooling import Pooling
from techniques.rewards.python import Python
from techniques.rewards.reference import Reference
from techniques.rewards.rollout import Rollout

__all__ = [
    "Ensemble",
    "Generative",
    "Http",
    "Judge",
    "Logprob",
    "Pairwise",
    "PassedTests",
    "Pooling",
    "Python",
    "Reference",
    "Rollout",
]
