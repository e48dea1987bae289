"""A real OpenAI-compatible server on the loopback interface, as a bare asyncio protocol to be quick.

Simulated: it says what its script says. It is for laws, faults and load, not for measuring accuracy.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What the server does with one request.

    Attributes:
        body: The bytes of the reply's body; ``None`` makes a completion of ``texts``, as a text or as a chat.
        texts: One per choice.
        status: The HTTP status.
        headers: Further headers.
        delay: Seconds before the reply.
        drop: Close the connection instead of answering.
        truncate: Promise the whole body, send half of it, and close.
        hang: Never answer.
        endless: Begin the reply and never come to its end.
        interval: Seconds between the words of a streamed reply.
        streams: Whether ``stream: true`` is understood.
        fields: Further fields of the completion object.
        usage: Replaces the usage block; ``None`` counts words, ``{}`` leaves it out.
    """

    texts: tuple[str, ...] = ("The answer is 4.",)
    body: bytes | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False
    truncate: bool = False
    hang: bool = False
    endless: bool = False
    interval: float = 0.0
    streams: bool = True
    fields: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, Any] | None = None


Script = Callable[[dict[str, Any]], Answer]


def error(status: int, message: str, **headers: str) -> Answer:
    """An OpenAI error envelope."""
    body = json.dumps({"error": {"message": message, "type": "error", "code": None}}).encode()
    return Answer(body=body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})


class Loopback:
    """A running server; thread-safe counters, one script."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.bodies: list[dict[str, Any]] = []
        self.heads: list[str] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.abandoned = 0
        self.answered: list[float] = []
        self.base_url = ""
        self.connections: set[asyncio.Transport] = set()

    @property
    def calls(self) -> int:
        """Requests received."""
        return len(self.bodies)


class _Protocol(asyncio.Protocol):
    def __init__(self, server: Loopback) -> None:
        self.server = server
        self.buffer = b""
        self.open = 0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connections.add(transport)

    def connection_lost(self, problem: Exception | None) -> None:
        self.server.connections.discard(self.transport)
        # Whoever goes away while an answer is due has abandoned its request.
        self.server.in_flight -= self.open
        self.server.abandoned += self.open
        self.open = 0

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].decode("latin-1")
            lowered = head.lower()
            mark = lowered.find("content-length:")
            length = int(lowered[mark + 15 :].split("\r\n", 1)[0]) if mark >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            self.handle(head, json.loads(body) if body else {})

    def handle(self, head: str, body: dict[str, Any]) -> None:
        server = self.server
        server.bodies.append(body)
        server.heads.append(head)
        self.open += 1
        server.in_flight += 1
        server.most_in_flight = max(server.most_in_flight, server.in_flight)
        answer = server.script(body)
        if answer.hang:
            return
        loop = asyncio.get_running_loop()
        loop.call_later(answer.delay, self.reply, answer, body) if answer.delay else self.reply(answer, body)

    def done(self) -> None:
        if self.open:
            self.open -= 1
            self.server.in_flight -= 1
            self.server.answered.append(time.monotonic())

    def reply(self, answer: Answer, body: dict[str, Any]) -> None:
        if self.transport.is_closing():
            return
        if answer.drop:
            self.done()
            self.transport.abort()
            return
        if body.get("stream") and answer.streams and answer.body is None:
            kind = "content-type: text/event-stream\r\ntransfer-encoding: chunked"
            self.transport.write(f"HTTP/1.1 200 OK\r\n{kind}\r\n\r\n".encode())
            self.chunk(answer, pieces(answer, body))
            return
        payload = answer.body if answer.body is not None else completion(answer, body)
        lines = [f"HTTP/1.1 {answer.status} Status", "content-type: application/json"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        lines.append(f"content-length: {10**9 if answer.endless else len(payload)}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        if answer.endless:
            self.transport.write(head)
            self.trickle()
            return
        self.done()
        if answer.truncate:
            self.transport.write(head + payload[: len(payload) // 2])
            self.transport.close()
            return
        self.transport.write(head + payload)

    def trickle(self) -> None:
        """One more byte of a body without end."""
        if not self.transport.is_closing():
            self.transport.write(b" ")
            asyncio.get_running_loop().call_later(0.01, self.trickle)

    def chunk(self, answer: Answer, rest: Iterator[bytes]) -> None:
        """The next event of a streamed reply, and later the others."""
        if self.transport.is_closing():
            return
        data = next(rest, None)
        if data is None:
            self.done()
            self.transport.write(b"0\r\n\r\n")
            return
        if data == BREAK:
            self.done()
            self.transport.abort()
            return
        self.transport.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        if answer.interval:
            asyncio.get_running_loop().call_later(answer.interval, self.chunk, answer, rest)
        else:
            asyncio.get_running_loop().call_soon(self.chunk, answer, rest)


BREAK = b"break"


def pieces(answer: Answer, body: dict[str, Any]) -> Iterator[bytes]:
    """The events of a streamed chat completion, word by word."""

    def event(**data: Any) -> bytes:
        return f"data: {json.dumps({'object': 'chat.completion.chunk', **data})}\n\n".encode()

    whole = json.loads(completion(answer, body))
    words = [(i, word) for i, text in enumerate(answer.texts) for word in re.findall(r"\s*\S+\s*$|\s*\S+", text)]
    for number, (i, word) in enumerate(words):
        if answer.truncate and number >= len(words) // 2:
            yield BREAK
            return
        yield event(choices=[{"index": i, "delta": {"role": "assistant", "content": word}}])
    while answer.endless:
        yield event(choices=[{"index": 0, "delta": {"content": " more"}}])
    for i in range(len(answer.texts)):
        yield event(choices=[{"index": i, "delta": {}, "finish_reason": "stop"}])
    if (body.get("stream_options") or {}).get("include_usage") and "usage" in whole:
        yield event(choices=[], usage=whole["usage"])
    yield b"data: [DONE]\n\n"


def completion(answer: Answer, body: dict[str, Any]) -> bytes:
    """A completion of the answer's texts, with words for tokens: of a text where the body has one, else of a chat."""
    texts = answer.texts
    said = [{"text": t} if "prompt" in body else {"message": {"role": "assistant", "content": t}} for t in texts]
    choices = [{"index": i, **reply, "finish_reason": "stop"} for i, reply in enumerate(said)]
    asked = [*(message["content"] for message in body.get("messages", ())), body.get("prompt", "")]
    prompt = sum(len(text.split()) for text in asked)
    written = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
    data: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 0, "model": body.get("model")}
    data |= {"choices": choices}
    if answer.usage is None:
        data["usage"] = usage
    elif answer.usage:
        data["usage"] = dict(answer.usage)
    return json.dumps({**data, **answer.fields}).encode()


@contextmanager
def serve(script: Script) -> Iterator[Loopback]:
    """Run a server in a thread of its own until the block ends."""
    server = Loopback(script)
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def listen() -> None:
        listener = await loop.create_server(lambda: _Protocol(server), "127.0.0.1", 0, backlog=4096)
        server.base_url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
        ready.set()
        await stop.wait()
        listener.close()
        for transport in list(server.connections):
            transport.abort()
        # Aborted transports close their sockets in the next turn of the loop.
        await asyncio.sleep(0)

    def work() -> None:
        loop.run_until_complete(listen())
        loop.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
