"""The built-in techniques, one file each. Importing this package registers them."""

from techniques import rewards
from techniques.best_of_n import BestOfN
from techniques.critique import Critique
from techniques.evaluate_tests import EvaluateTests
from techniques.fuse import Fuse
from techniques.generate import Generate
from techniques.rank import Rank
from techniques.score import Score
from techniques.self_consistency import SelfConsistency
from techniques.unit_tests import UnitTests
from techniques.verify import Verify
from techniques.vote import Vote

__all__ = [
    "BestOfN",
    "Critique",
    "EvaluateTests",
    "Fuse",
    "Generate",
    "Rank",
    "Score",
    "SelfConsistency",
    "UnitTests",
    "Verify",
    "Vote",
    "rewards",
]
