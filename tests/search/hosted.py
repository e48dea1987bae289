"""Two models behind a real server on the loopback interface that add two numbers, one better than the other.

Simulated: whether a sample is right follows from a hash. It is for the machinery of a search, not for any finding.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.loopback import Answer, Loopback, serve

SKILL = {"small": 0.55, "large": 0.85}
SPACE = """\
name: sums
models:
  small: {{use: openai/small, base_url: "{url}", price: {{input: 0.1, output: 0.4, date: "2026-11-01"}}}}
  large: {{use: openai/large, base_url: "{url}", price: {{input: 1.0, output: 4.0, date: "2026-11-01"}}}}
layers:
  - generate:
      model: {{choice: [small, large]}}
      n: {{choice: [1, 3, 5, 7]}}
      temperature: {{choice: [0.5, 1.0]}}
  - optional: vote
answer: math
"""
UNPRICED = re.sub(r", price: \{\{.*?\}\}", "", SPACE)


def reply(body: dict[str, Any]) -> Answer:
    a, b = map(int, re.findall(r"(\d+) ?\+ ?(\d+)", body["messages"][-1]["content"])[-1])
    texts = []
    for index in range(body.get("n") or 1):
        said = f"{body['model']} {a} {b} {body.get('seed')} {body.get('temperature')} {index}"
        luck = int.from_bytes(hashlib.blake2b(said.encode(), digest_size=4).digest()) / 2**32
        wrong = 0 if luck < SKILL[body["model"]] else 1 + int(luck * 1000) % 9
        texts.append(f"The sum is \\boxed{{{a + b + wrong}}}.")
    return Answer(texts=tuple(texts))


@contextmanager
def models(delay: float = 0.0) -> Iterator[Loopback]:
    """The server."""

    def script(body: dict[str, Any]) -> Answer:
        answer = reply(body)
        return answer if not delay else Answer(texts=answer.texts, delay=delay)

    with serve(script) as server:
        yield server
