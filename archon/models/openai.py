"""Any endpoint that speaks the OpenAI protocol, over chat completions or, where a template is given, completions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from copy import copy
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Never

from pydantic_core import from_json

from archon.cost import Usage
from archon.errors import PermanentError, TransientError
from archon.models.base import Capabilities, Completion, Reply, Request, TokenLogprob
from archon.models.completions import COMPLETIONS, as_chat
from archon.models.sse import STOP_REASONS, Pieces, events
from archon.models.template import lay_out
from archon.models.transport import HttpReply, HttpStream, Transport

CHAT = "/chat/completions"
TRANSIENT_STATUSES = frozenset({408, 409, 425, 429})
REASONS: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    408: "timeout",
    429: "rate_limit",
    503: "overloaded",
}


class OpenAIModel:
    """One model behind one OpenAI-compatible endpoint.

    Args:
        name: How people call it, such as ``openai/gpt-4o-mini``.
        model: The name the endpoint knows.
        endpoint: The root of the API, which together with ``model`` is its identity.
        transport: How requests get there.
        capabilities: What the endpoint supports.
        timeout: Seconds to wait for one reply.
        max_tokens_field: What the endpoint calls the limit on completion tokens.
        secret: The key, so that no message of the server can repeat it.
    """

    def __init__(
        self,
        *,
        name: str,
        model: str,
        endpoint: str,
        transport: Transport,
        capabilities: Capabilities,
        timeout: float = 600.0,
        max_tokens_field: str = "max_tokens",
        secret: str | None = None,
    ) -> None:
        self.name = name
        self.identity = f"{endpoint.rstrip('/')} {model}"
        self.capabilities = capabilities
        self._model = model
        self._transport = transport
        self._timeout = timeout
        self._max_tokens_field = max_tokens_field
        self._secret = secret
        self._stream_usage = True
        self._heed: Callable[[Mapping[str, str]], None] | None = None

    async def complete(self, request: Request) -> Reply:
        """Post one completion request with ``n`` the number of indices; a chat is streamed if somebody listens."""
        started = time.monotonic()
        as_text = request.sampling.template is not None
        if as_text or request.listener is None:
            route = COMPLETIONS if as_text else CHAT
            posted = await self._transport.post(route, self._body(request), self._timeout)
            self._tell(posted.headers)
            data = self._read(posted)
        else:
            data = await self._streamed(request)
        seconds = (time.monotonic() - started) / len(request.indices)
        try:
            usage = _usage(data.get("usage"))
            choices = sorted(data["choices"], key=lambda choice: choice.get("index", 0))
            choices = [as_chat(choice) for choice in choices] if as_text else choices
            completions = tuple([_completion(choice, usage, len(choices), seconds) for choice in choices])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise self._malformed(error) from None
        if len(completions) != len(request.indices):
            raise PermanentError(
                f"{self.name}: asked for {len(request.indices)} choices and got {len(completions)}; "
                "`archon models probe` finds out what the endpoint supports",
                reason="choices",
            )
        return Reply(completions, usage)

    async def _streamed(self, request: Request) -> Any:
        """The chat completion object that the chunks of a streamed reply make up."""
        assert request.listener is not None, "only requests with a listener are streamed"
        body = {**self._body(request), "stream": True}
        if self._stream_usage:
            body["stream_options"] = {"include_usage": True}
        pieces = Pieces(request.listener, request.indices)
        async with self._transport.stream(CHAT, body, self._timeout) as reply:
            streaming = reply.headers.get("content-type", "").startswith("text/event-stream")
            if reply.status != 200 or not streaming:
                whole = HttpReply(reply.status, reply.headers, b"".join([chunk async for chunk in reply.chunks]))
                if self._stream_usage and whole.status in (400, 422) and b"stream_options" in whole.body:
                    # An endpoint that does not know the option still streams; it just does not count.
                    self._stream_usage = False
                    return await self._streamed(request)
                self._tell(reply.headers)
                return self._read(whole)
            await self._collect(reply, pieces)
        self._tell(reply.headers)
        if not pieces.complete:
            raise TransientError(f"{self.name}: the stream broke off", reason="truncated")
        return pieces.completion()

    async def _collect(self, reply: HttpStream, pieces: Pieces) -> None:
        async for data in events(reply.chunks):
            try:
                error = pieces.add(data)
            except (KeyError, TypeError, AttributeError, ValueError) as problem:
                raise self._malformed(problem) from None
            if error is not None:
                self._read(HttpReply(200, reply.headers, data.encode()))
            if pieces.done:
                return

    def _tell(self, headers: Mapping[str, str]) -> None:
        if self._heed is not None:
            self._heed(headers)

    def _read(self, reply: HttpReply) -> Any:
        """The JSON of a reply that is no error.

        Raises:
            TransientError: It is not JSON, or an error that may pass.
            PermanentError: It is an error that will not.
        """
        if reply.status != 200:
            self._refuse(reply.status, reply)
        try:
            data = _parsed(reply.body)
        except ValueError:
            raise TransientError(f"{self.name}: the reply is not JSON", reason="malformed") from None
        if isinstance(data, dict) and isinstance(data.get("error"), dict):
            code = data["error"].get("code")
            self._refuse(code if isinstance(code, int) else 502, reply)
        return data

    def _malformed(self, error: Exception) -> TransientError:
        problem = f"{self.name}: the reply is not a chat completion ({type(error).__name__}: {error})"
        return TransientError(problem, reason="malformed")

    async def aclose(self) -> None:
        """Nothing to release: the pool owns the connections."""

    def with_capabilities(self, capabilities: Capabilities) -> OpenAIModel:
        """The same model, taken to support something else."""
        other = copy(self)
        other.capabilities = capabilities
        return other

    def heard_by(self, heed: Callable[[Mapping[str, str]], None]) -> OpenAIModel:
        """The same model, which shows somebody the headers of every reply before it returns or raises."""
        other = copy(self)
        other._heed = heed
        return other

    def _body(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        messages: list[dict[str, Any]] = [{"role": m.role, "content": m.content} for m in request.messages]
        body: dict[str, Any] = {"model": self._model}
        if sampling.template is None:
            body["messages"] = messages
        else:
            body["prompt"] = lay_out(sampling.template, request.messages)
        if sampling.temperature is not None:
            body["temperature"] = sampling.temperature
        if sampling.top_p is not None:
            body["top_p"] = sampling.top_p
        if sampling.max_tokens is not None:
            body[self._max_tokens_field if sampling.template is None else "max_tokens"] = sampling.max_tokens
        if sampling.stop and self.capabilities.stop:
            body["stop"] = list(sampling.stop)
        if sampling.top_logprobs is not None and sampling.template is not None:
            body["logprobs"] = sampling.top_logprobs
        elif sampling.top_logprobs is not None:
            body["logprobs"] = True
            body["top_logprobs"] = sampling.top_logprobs
        if len(request.indices) > 1:
            body["n"] = len(request.indices)
        if self.capabilities.seed:
            body["seed"] = request.wire_seed()
        if request.messages[-1].role == "assistant" and sampling.template is None:
            if self.capabilities.prefix_style == "continue_final_message":
                body.update(add_generation_prompt=False, continue_final_message=True)
            elif self.capabilities.prefix_style == "message_prefix":
                messages[-1]["prefix"] = True
        body.update(sampling.extra)
        if sampling.template is not None and "max_tokens" not in body:
            raise PermanentError(
                f"{self.name}: to have a text continued needs `max_tokens`; many endpoints stop after 16 otherwise",
                reason="max_tokens",
            )
        return body

    def _refuse(self, status: int, reply: HttpReply) -> Never:
        """Raise what an error reply means, in the server's words but never with the key in them."""
        said = _error_message(reply.body)
        if self._secret:
            said = said.replace(self._secret, "***")
        message = f"{self.name}: HTTP {status}: {said}"
        reason = REASONS.get(status, "server_error" if status >= 500 else "refused")
        if status in TRANSIENT_STATUSES or status >= 500:
            retry_after = parse_retry_after(reply.headers.get("retry-after"))
            raise TransientError(message, reason=reason, status=status, retry_after=retry_after)
        raise PermanentError(message, reason=reason, status=status)


def parse_retry_after(value: str | None) -> float | None:
    """Seconds to wait, from a ``Retry-After`` header in either of its forms (seconds or a date)."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _parsed(body: bytes) -> Any:
    """The JSON of a body; half a surrogate pair, which no file could hold, becomes a question mark.

    Raises:
        ValueError: It is not JSON.
    """
    try:
        return from_json(body)
    except ValueError:
        return from_json(json.dumps(json.loads(body), ensure_ascii=False).encode(errors="replace"))


def _error_message(body: bytes) -> str:
    try:
        error = json.loads(body)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace").strip() or "no explanation"


def _usage(data: Any) -> Usage | None:
    if not isinstance(data, dict) or "prompt_tokens" not in data:
        return None
    prompt_details = data.get("prompt_tokens_details") or {}
    completion_details = data.get("completion_tokens_details") or {}
    return Usage(
        prompt=int(data["prompt_tokens"]),
        cached=int(prompt_details.get("cached_tokens") or 0),
        completion=int(data.get("completion_tokens") or 0),
        reasoning=int(completion_details.get("reasoning_tokens") or 0),
    )


def _completion(choice: Mapping[str, Any], usage: Usage | None, choices: int, seconds: float) -> Completion:
    message = choice["message"]
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        raise TypeError("content is not text")
    own = usage
    if usage is not None and choices > 1:
        own = Usage(usage.prompt, usage.cached, usage.completion // choices, usage.reasoning // choices)
    return Completion(
        text=content or message.get("refusal") or "",
        finish_reason=choice.get("finish_reason") or "unknown",
        usage=own,
        logprobs=_logprobs(choice.get("logprobs")),
        reasoning=message.get("reasoning_content") or message.get("reasoning"),
        seconds=seconds,
        stop_reason=_stop_reason(choice),
    )


def _stop_reason(choice: Mapping[str, Any]) -> str | None:
    """The stop string that ended a choice; a token of the model's own, or nothing at all, is no stop string."""
    said = [choice[name] for name in STOP_REASONS if name in choice]
    if not said:
        return None
    return said[0] if isinstance(said[0], str) else ""


def _logprobs(data: Any) -> tuple[TokenLogprob, ...] | None:
    if not data or not data.get("content"):
        return None
    return tuple(
        TokenLogprob(
            token["token"],
            float(token["logprob"]),
            tuple((other["token"], float(other["logprob"])) for other in token.get("top_logprobs") or ()),
        )
        for token in data["content"]
    )
