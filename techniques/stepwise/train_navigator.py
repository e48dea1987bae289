"""Train a navigator on the episodes that runs left in their traces.

The command is ``python -m techniques.stepwise.train_navigator``; docs/logic-blocks.md says how it is used.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from techniques.stepwise.blocks import ASPECTS, BLOCKS, Block, Scores
from techniques.stepwise.dueling import Batch, train
from techniques.stepwise.navigator import inputs, save_network


@dataclass(frozen=True, slots=True)
class Transition:
    """One block of an episode.

    Attributes:
        scores: How the model scored the reasoning before it.
        block: What was chosen.
        reward: The process reward of the reasoning with it.
        following: The scores after it; ``None`` where the episode was over.
        allowed: What could be chosen then; nothing where it was over.
    """

    scores: Scores
    block: Block
    reward: float
    following: Scores | None = None
    allowed: tuple[Block, ...] = ()


def read_transitions(trace: Path) -> list[Transition]:
    """The transitions in a run's ``trace.jsonl``, in the order of the file.

    Blocks of which the scores, the reward or what came after are not known teach nothing and are left out, as are lines
    that were cut off.

    Raises:
        OSError: The file cannot be read.
    """
    with trace.open("rb") as lines:
        return list(_transitions(lines))


def _transitions(lines: Iterable[bytes]) -> Iterator[Transition]:
    for line in lines:
        # Most lines of a trace are long and something else.
        if b'"block"' not in line:
            continue
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("kind") == "block" and (found := _transition(event)) is not None:
            yield found


def _transition(event: dict[str, Any]) -> Transition | None:
    scores, reward, block, after = (event.get(key) for key in ("scores", "reward", "block", "next"))
    if not scores or len(scores) != len(ASPECTS) or reward is None or block not in BLOCKS:
        return None
    if block == "terminate":
        return Transition(tuple(scores), block, float(reward))
    if not after or not after.get("scores"):
        return None
    return Transition(tuple(scores), block, float(reward), tuple(after["scores"]), tuple(after["allowed"]))


def as_batch(transitions: Sequence[Transition], price: float = 0.0) -> Batch:
    """Transitions as the network learns from them.

    Args:
        transitions: At least one.
        price: What a block costs, in the unit of the reward.
    """
    over = (2,) * len(ASPECTS)
    return Batch(
        states=inputs([t.scores for t in transitions]),
        actions=np.array([BLOCKS.index(t.block) for t in transitions]),
        rewards=np.array([t.reward - price for t in transitions]),
        following=inputs([t.following or over for t in transitions]),
        allowed=np.array([[block in t.allowed for block in BLOCKS] for t in transitions]),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command.

    Returns:
        Its exit code: 0, or 2 if there is nothing to learn from or an option is wrong.
    """
    parser = argparse.ArgumentParser(
        prog="python -m techniques.stepwise.train_navigator",
        description="Train a navigator for logic_blocks on episodes that runs with a reward left in their traces.",
    )
    parser.add_argument("traces", nargs="+", type=Path, metavar="TRACE", help="a run's trace.jsonl, or its folder")
    parser.add_argument("--output", required=True, type=Path, help="where to write the navigator, as JSON")
    parser.add_argument("--seed", type=int, default=0, help="decides everything random (default: 0)")
    parser.add_argument("--updates", type=int, default=3_000, help="steps of learning (default: 3000)")
    parser.add_argument(
        "--discount", type=float, default=0.9, help="worth of a reward one block later, 0 to 1 (default: 0.9)"
    )
    parser.add_argument(
        "--price", type=float, default=0.0, help="what a block costs, in the unit of the reward (default: 0)"
    )
    options = parser.parse_args(arguments)
    if options.updates < 1 or options.seed < 0 or not 0 <= options.discount <= 1:
        parser.error("--updates has to be at least 1, --seed at least 0, --discount from 0 to 1")
    try:
        files = [path / "trace.jsonl" if path.is_dir() else path for path in options.traces]
        transitions = [transition for file in files for transition in read_transitions(file)]
        if not transitions:
            parser.error("the traces hold no blocks with scores and a reward; run logic_blocks with a reward first")
        network = train(
            as_batch(transitions, options.price), seed=options.seed, updates=options.updates, discount=options.discount
        )
        save_network(network, options.output)
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    sys.stderr.write(f"{options.output}: {network.parameters:,} parameters, trained on {len(transitions):,} blocks\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
