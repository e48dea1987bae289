"""The route that continues texts, whose replies differ in form from those of chats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COMPLETIONS = "/completions"


def as_chat(choice: Mapping[str, Any]) -> dict[str, Any]:
    """A choice of a text completion as one of a chat completion.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: It is not one.
    """
    return {**choice, "message": {"content": choice["text"]}, "logprobs": _logprobs(choice.get("logprobs"))}


def _logprobs(data: Any) -> dict[str, Any] | None:
    """Log-probabilities per token; some servers give them as they do for chats."""
    if not data or "content" in data:
        return data or None
    tokens = data["tokens"]
    tops = data.get("top_logprobs") or [None] * len(tokens)
    content = [
        {
            "token": token,
            "logprob": logprob,
            "top_logprobs": [{"token": t, "logprob": p} for t, p in (top or {}).items()],
        }
        for token, logprob, top in zip(tokens, data["token_logprobs"], tops, strict=True)
    ]
    return {"content": content}
