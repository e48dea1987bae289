"""What a study may spend, for all who work on it together and for every time that it is taken up again."""

from __future__ import annotations

import uuid

import optuna

from archon.budget import Amount, Budget, BudgetSpec
from search.spec import StudySpec

CLAIM = "claim "
STEPS = 100
"""A claim grows by this part of the limits, so that few requests wait for the storage."""


class Purse(Budget):
    """The limits on calls and dollars of a study, under which any number of processes may spend.

    Before a request is sent, what it may cost is part of a claim that the process has written into the study. A claim
    is written first and the claims of all others are read after that: if together they break a limit, it is taken back.
    Of two that claim at once at least one sees the other, so that no limit is ever overrun; both may take theirs back,
    and a study may end with as much unspent as others hold, a hundredth of the limit each. The claim of a process that
    was killed stays, for nobody knows how much of it was spent.

    Args:
        spec: With the limits, of which there is at least one.
        study: Where claims are kept; what one process writes the others have to see at once.
    """

    def __init__(self, spec: StudySpec, study: optuna.Study) -> None:
        super().__init__(BudgetSpec(calls=spec.calls, usd=spec.usd))
        self._study = study
        self._name = CLAIM + uuid.uuid4().hex
        self._claimed = Amount()
        self._step = Amount((spec.usd or 0.0) / STEPS, calls=(spec.calls or 0) // STEPS)

    def release(self) -> None:
        """Leave to others what was not spent."""
        if self._claimed != self.spent:
            self._write(self.spent)

    def _short(self, total: Amount) -> str | None:
        short = super()._short(total)
        if short is not None or _within(total, self._claimed):
            return short
        for more in (total + self._step, total):
            before = self._claimed
            self._write(Amount(max(more.usd, before.usd), calls=max(more.calls, before.calls)))
            if (short := super()._short(self._all())) is None:
                return None
            self._write(before)
        return short

    def _write(self, claim: Amount) -> None:
        self._study.set_user_attr(self._name, [claim.usd, claim.calls])
        self._claimed = claim

    def _all(self) -> Amount:
        claims = [value for name, value in self._study.user_attrs.items() if name.startswith(CLAIM)]
        return Amount(sum(usd for usd, _ in claims), calls=sum(calls for _, calls in claims))


def _within(amount: Amount, other: Amount) -> bool:
    return amount.usd <= other.usd and amount.calls <= other.calls
