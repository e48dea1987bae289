"""Questions with lettered options.

Each transform leaves the columns ``question``, ``choices`` (the texts of the options in their order), ``options`` (the
same, lettered, one a line) and ``answer`` (a letter).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from string import ascii_uppercase
from typing import Any

TRUTHS = ("True", "False", "Uncertain")
LABEL = re.compile(r"^\(?([A-Z])[).:]\s*")


def gpqa(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    """GPQA: the right answer and three wrong ones stand in columns of their own, and are put in random order."""
    right = str(row["Correct Answer"]).strip()
    wrong = [str(row[f"Incorrect Answer {i}"]).strip() for i in (1, 2, 3)]
    order = rng.sample(range(4), 4)
    choices = [(right, *wrong)[i] for i in order]
    return _chosen(row, str(row["Question"]).strip(), choices, order.index(0))


def lettered(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    """MMLU and its like: ``choices`` or ``options`` is a list, ``answer`` an index or a letter."""
    choices = [str(choice) for choice in row["choices" if "choices" in row else "options"]]
    answer = row["answer"]
    index = ascii_uppercase.index(answer) if isinstance(answer, str) and not answer.isdecimal() else int(answer)
    return _chosen(row, str(row["question"]).strip(), choices, index)


def arc(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    """ARC: ``choices`` holds the lists ``text`` and ``label``, and ``answerKey`` is a label, at times a digit."""
    labels = [str(label) for label in row["choices"]["label"]]
    texts = [str(text) for text in row["choices"]["text"]]
    return _chosen(row, str(row["question"]).strip(), texts, labels.index(str(row["answerKey"])))


def bbq(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    """BBQ: ``ans0`` to ``ans2`` are the options, ``label`` (in some copies ``answer_label``) tells the right one.

    The order is the published one. Questions made from one template share a ``template``.
    """
    choices = [str(row[f"ans{i}"]) for i in range(3)]
    label = int(row["label"] if "label" in row else row["answer_label"])
    made = _chosen(row, f"{str(row['context']).strip()}\n{str(row['question']).strip()}", choices, label)
    return {**made, "template": f"{row['category']}-{row['question_index']}"}


def folio(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    """FOLIO: ``premises`` is a text or, in version 0.0, a list; its label ``Unknown`` is now ``Uncertain``."""
    premises = row["premises"]
    text = premises if isinstance(premises, str) else "\n".join(map(str, premises))
    label = {"unknown": "Uncertain"}.get(str(row["label"]).strip().lower(), str(row["label"]).strip().capitalize())
    question = f"Premises:\n{text.strip()}\n\nConclusion:\n{str(row['conclusion']).strip()}"
    return _chosen(row, question, TRUTHS, TRUTHS.index(label))


def proofwriter(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    """ProofWriter: ``context``, ``question``, ``options`` such as ``A) True``, ``answer`` a letter."""
    choices = [LABEL.sub("", str(option)) for option in row["options"]]
    question = f"{str(row['context']).strip()}\n\n{str(row['question']).strip()}"
    return _chosen(row, question, choices, ascii_uppercase.index(str(row["answer"])))


def mixeval(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    """MixEval: ``problem_type`` tells lettered questions from free ones; ``target`` lists indices or answers.

    ``answer`` is what a judge may take for right: the letter with its option, or the accepted answers. ``task`` says
    what to do.
    """
    prompt, context = str(row["prompt"]).strip(), str(row.get("context") or "").strip()
    question = f"{context}\n\n{prompt}" if context and context.lower() not in ("none", "null") else prompt
    target = [str(accepted) for accepted in row["target"]]
    if str(row["problem_type"]).replace("_", "-") == "multiple-choice":
        made = _chosen(row, question, [str(option) for option in row["options"]], int(target[0]))
        right = made["options"].splitlines()[int(target[0])]
        return {**made, "answer": right, "task": f"{made['options']}\n\nAnswer with the letter of the right option."}
    return {**row, "question": question, "answer": " or: ".join(target), "task": "Answer briefly."}


def _chosen(row: dict[str, Any], question: str, choices: Sequence[str], right: int) -> dict[str, Any]:
    if not 0 <= right < len(choices):
        raise ValueError(f"its answer is number {right}, counted from 0, of {len(choices)} options")
    lines = (f"{letter}. {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False))
    return {
        **row,
        "question": question,
        "choices": list(choices),
        "options": "\n".join(lines),
        "answer": ascii_uppercase[right],
    }
