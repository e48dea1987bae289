"""The built-in techniques, one file each. Importing this package registers them."""

from techniques.critique import Critique
from techniques.evaluate_tests import EvaluateTests
from techniques.fuse import Fuse
from techniques.generate import Generate
from techniques.rank import Rank
from techniques.tournament import Tournament
from techniques.unit_tests import UnitTests
from techniques.verify import Verify
from techniques.vote import Vote

__all__ = ["Critique", "EvaluateTests", "Fuse", "Generate", "Rank", "Tournament", "UnitTests", "Verify", "Vote"]
