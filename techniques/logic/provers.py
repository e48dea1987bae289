"""What follows from premises, decided by theorem provers: Z3 in a thread, or Prover9 in a process.

Domains are never empty, names of different spelling may name the same thing, and "all" does not imply "some".
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from archon.concurrency import gather
from archon.errors import ConfigError
from techniques.logic.prover9 import Prover9
from techniques.logic.syntax import Formula, Negation

ProverName = Literal["auto", "z3", "prover9"]
Verdict = Literal["true", "false", "unknown"]


class Prover(Protocol):
    """Finds contradictions."""

    async def contradictory(self, formulas: Sequence[Formula]) -> bool | None:
        """Whether the formulas cannot all be true; ``None`` if the prover came to no end within its limits."""
        ...


@dataclass(frozen=True, slots=True)
class Proofs:
    """What was proved of a conclusion.

    Attributes:
        proved: Whether the premises imply it; ``None`` if the prover came to no end.
        refuted: Whether they imply its negation, likewise.
    """

    proved: bool | None
    refuted: bool | None

    @property
    def verdict(self) -> Verdict:
        """A proof counts before a refutation, as in the paper; premises that contradict each other give both."""
        return "true" if self.proved else "false" if self.refuted else "unknown"

    @property
    def doubtful(self) -> bool:
        """Whether the verdict says less than it seems to."""
        return bool(self.proved and self.refuted) or (self.verdict == "unknown" and None in (self.proved, self.refuted))

    @property
    def finding(self) -> str:
        """What was found, in a sentence."""
        if self.proved and self.refuted:
            return "The premises contradict each other, so that they imply the conclusion and its opposite."
        if self.proved:
            return "The premises imply the conclusion."
        if self.refuted:
            return "The premises imply the opposite of the conclusion."
        if self.doubtful:
            return "The prover found no proof of the conclusion or its opposite, but did not come to an end."
        return "The premises imply neither the conclusion nor its opposite."


async def decide(premises: Sequence[Formula], conclusion: Formula, prover: Prover) -> Proofs:
    """Try to prove the conclusion and its negation, both at the same time."""
    return Proofs(*await gather(prover.contradictory([*premises, end]) for end in (Negation(conclusion), conclusion)))


def find_prover(name: ProverName, seconds: float) -> Prover:
    """The prover of that name, or the first that is installed.

    Args:
        name: Which one; ``auto`` is Z3 or, without it, Prover9.
        seconds: How long one proof may take.

    Raises:
        ConfigError: It is not installed.
    """
    if name != "prover9" and z3_installed():
        # Only who uses Z3 needs it.
        from techniques.logic.z3_prover import Z3Prover

        return Z3Prover(seconds)
    if name != "z3" and (program := prover9_path()):
        return Prover9(program, seconds)
    remedies = {"z3": "`pip install 'archon-inference[logic]'`", "prover9": "a `prover9` on the path"}
    wanted = " or ".join(remedy for key, remedy in remedies.items() if name in ("auto", key))
    raise ConfigError(f"No theorem prover was found (prover: {name}): it needs {wanted}.")


def z3_installed() -> bool:
    """Whether Python finds Z3."""
    return importlib.util.find_spec("z3") is not None


def prover9_path() -> str | None:
    """Where Prover9 is, if it is on the path."""
    return shutil.which("prover9")
