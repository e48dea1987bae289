"""The built-in techniques, one file each. Importing this package registers them."""

from techniques.critique import Critique
from techniques.fuse import Fuse
from techniques.generate import Generate
from techniques.rank import Rank
from techniques.verify import Verify
from techniques.vote import Vote

__all__ = ["Critique", "Fuse", "Generate", "Rank", "Verify", "Vote"]
