"""Streamed chat completions: server-sent events, and putting their pieces together again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from pydantic_core import from_json

from archon.models.base import Listener

DONE = "[DONE]"
STOP_REASONS = ("stop_reason", "matched_stop")
"""Where vLLM and SGLang say which stop string ended a text."""


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The data of every event of a ``text/event-stream``, wherever the chunks happen to be cut."""
    data: list[str] = []
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            text = line.rstrip(b"\r").decode(errors="replace")
            if text.startswith("data:"):
                data.append(text[5:].removeprefix(" "))
            elif not text and data:
                yield "\n".join(data)
                data = []
    if rest.startswith(b"data:"):
        data.append(rest[5:].decode(errors="replace").strip())
    if data:
        yield "\n".join(data)


class Pieces:
    """Builds one chat completion object out of the chunks of a stream.

    Args:
        listener: Told every piece of text, under the index that the draw has in its request.
        indices: The sample indices by the number of their choice.
    """

    def __init__(self, listener: Listener, indices: tuple[int, ...]) -> None:
        self._listener = listener
        self._indices = indices
        self._choices: dict[int, dict[str, Any]] = {}
        self._usage: Any = None
        self.done = False

    def add(self, data: str) -> Mapping[str, Any] | None:
        """Take in the data of one event.

        Returns:
            The chunk if it is an error instead of a piece.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: It is not a chunk of a chat completion.
        """
        if data.strip() == DONE:
            self.done = True
            return None
        chunk: dict[str, Any] = from_json(data)
        if isinstance(chunk.get("error"), dict):
            return chunk
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices") or ():
            self._add_choice(choice)
        return None

    def _add_choice(self, piece: Mapping[str, Any]) -> None:
        number = int(piece.get("index", 0))
        empty: dict[str, Any] = {"index": number, "message": {}, "finish_reason": None, "logprobs": {"content": []}}
        choice = self._choices.setdefault(number, empty)
        for name, text in (piece.get("delta") or {}).items():
            # The role comes once, in whole; all other texts come in pieces.
            if isinstance(text, str) and name != "role":
                choice["message"][name] = choice["message"].get(name, "") + text
                if name == "content" and text and number < len(self._indices):
                    self._listener.token(self._indices[number], text)
        choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]
        choice |= {name: piece[name] for name in STOP_REASONS if name in piece}
        choice["logprobs"]["content"] += (piece.get("logprobs") or {}).get("content") or ()

    @property
    def complete(self) -> bool:
        """Whether the stream came to its end: it said so, or every choice is finished."""
        finished = [choice["finish_reason"] is not None for choice in self._choices.values()]
        return self.done or (len(finished) == len(self._indices) and all(finished))

    def completion(self) -> dict[str, Any]:
        """The chat completion object that an endpoint would have sent in one piece."""
        choices = [self._choices[number] for number in sorted(self._choices)]
        return {"choices": choices, "usage": self._usage}
