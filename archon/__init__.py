"""Archon: inference-time compute as composable layers.

::

    import archon

    result = archon.run_sync("configs/architectures/vote.yaml", "What is 17 * 23?")
    print(result.text, result.totals.usage, result.totals.dollars)
"""

from archon.architecture import Architecture
from archon.cost import Price, Totals, Usage
from archon.engine import Engine
from archon.errors import ArchonError, ConfigError, ModelError, ParseError, PermanentError, TransientError
from archon.facade import run, run_sync
from archon.knobs import ChoiceKnob, FloatKnob, IntKnob
from archon.models.pool import ModelPool
from archon.models.spec import ModelSpec
from archon.result import Result
from archon.reward import Reward, RewardField, rewards
from archon.source import dump_architecture, load_architecture, parse_architecture
from archon.state import Candidate, Failure, Message, State, Task
from archon.store import SampleStore
from archon.stores import open_store
from archon.technique import Ask, Context, ModelRef, Plan, Sampled, Technique, technique, techniques

__all__ = [
    "Architecture",
    "ArchonError",
    "Ask",
    "Candidate",
    "ChoiceKnob",
    "ConfigError",
    "Context",
    "Engine",
    "Failure",
    "FloatKnob",
    "IntKnob",
    "Message",
    "ModelError",
    "ModelPool",
    "ModelRef",
    "ModelSpec",
    "ParseError",
    "PermanentError",
    "Plan",
    "Price",
    "Result",
    "Reward",
    "RewardField",
    "SampleStore",
    "Sampled",
    "State",
    "Task",
    "Technique",
    "Totals",
    "TransientError",
    "Usage",
    "dump_architecture",
    "load_architecture",
    "open_store",
    "parse_architecture",
    "rewards",
    "run",
    "run_sync",
    "technique",
    "techniques",
]
