"""What YAML cannot say of a row: small named functions, a module for each family of benchmarks.

A card names one as ``transform: gpqa``. It is given the columns of a row and a random generator of the row's own, and
returns the columns that the card's prompt and fields then name, or ``None`` for a row that is no problem. A column that
it looks for and does not find is a ``KeyError``, which the caller turns into a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from evals.transforms.choices import arc, bbq, folio, gpqa, lettered, mixeval, proofwriter
from evals.transforms.code import code_contests, livecodebench, mbpp
from evals.transforms.dialogue import alpaca_eval, arena_hard
from evals.transforms.maths import hash_answer, worked_answer

__all__ = ["TRANSFORMS", "Transform"]

Transform = Callable[[dict[str, Any], Random], dict[str, Any] | None]

TRANSFORMS: Mapping[str, Transform] = {
    "alpaca_eval": alpaca_eval,
    "arc": arc,
    "arena_hard": arena_hard,
    "bbq": bbq,
    "code_contests": code_contests,
    "folio": folio,
    "gpqa": gpqa,
    "hash_answer": hash_answer,
    "lettered": lettered,
    "livecodebench": livecodebench,
    "mbpp": mbpp,
    "mixeval": mixeval,
    "proofwriter": proofwriter,
    "worked_answer": worked_answer,
}
