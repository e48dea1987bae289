"""OpenTelemetry spans of a run, with the semantic conventions for generative AI; needs the extra ``otel``.

A question is a span, every layer one inside it, and every request that was sent a client span ``chat <model>`` inside
its layer, with tokens, cost and error. Retries, store hits, hedges, fallbacks, exhausted budgets and requests to
reward servers are events of their layer. Texts are not exported.

The conventions are still marked as in development; the names here are those of version 1.43.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider as Provider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

from archon.trace import Event

NANO = 1_000_000_000
REQUEST = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "max_tokens": "gen_ai.request.max_tokens",
    "stop": "gen_ai.request.stop_sequences",
}


class Spans:
    """An observer that turns the events of one engine into spans.

    Args:
        architecture: The name of the engine's architecture.
        provider: Where spans go; the process's own if not given.
    """

    def __init__(self, architecture: str, provider: TracerProvider | None = None) -> None:
        self._architecture = architecture
        self._tracer = trace.get_tracer("archon", tracer_provider=provider)
        self._open: dict[tuple[int, str], Span] = {}

    def __call__(self, event: Event) -> None:
        """Begin, end or adorn a span."""
        run: int = event.data["run"]
        match event.kind:
            case "question_started":
                name = f"invoke_workflow {self._architecture}"
                names = {
                    "gen_ai.operation.name": "invoke_workflow",
                    "gen_ai.workflow.name": self._architecture,
                    "archon.question": event.question,
                }
                self._begin((run, ""), None, name, event, names)
            case "layer_started":
                layer = {"archon.layer": event.layer, "archon.technique": event.data["technique"]}
                self._begin((run, event.layer), (run, ""), event.layer, event, layer)
            case "attempt":
                self._attempt((run, event.layer), event)
            case "layer":
                self._end((run, event.layer), event, None)
            case "question":
                error = event.data.get("error")
                for key in [key for key in self._open if key[0] == run and key[1]]:
                    self._end(key, event, error)
                self._end((run, ""), event, error)
            case "retry" | "hit" | "hedge" | "fallback" | "budget" | "reward":
                span = self._open.get((run, event.layer))
                if span is not None:
                    span.add_event(f"archon.{event.kind}", _plain(event.data), int(event.time * NANO))

    def close(self) -> None:
        """End what a run that was cut has left open."""
        for span in self._open.values():
            span.end()
        self._open.clear()

    def _begin(
        self, key: tuple[int, str], parent: tuple[int, str] | None, name: str, event: Event, attributes: dict[str, Any]
    ) -> None:
        context = self._inside(parent) if parent else None
        start = int(event.time * NANO)
        self._open[key] = self._tracer.start_span(name, context, attributes=attributes, start_time=start)

    def _inside(self, key: tuple[int, str]) -> Any:
        span = self._open.get(key)
        return None if span is None else trace.set_span_in_context(span)

    def _attempt(self, parent: tuple[int, str], event: Event) -> None:
        data = event.data
        provider, _, model = data["model"].partition("/")
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model or provider,
            "gen_ai.request.choice.count": len(data["indices"]),
            "gen_ai.usage.input_tokens": data["prompt_tokens"],
            "gen_ai.usage.output_tokens": data["completion_tokens"],
            "gen_ai.usage.cache_read.input_tokens": data["cached_tokens"],
            "gen_ai.usage.reasoning.output_tokens": data["reasoning_tokens"],
            **{REQUEST[name]: value for name, value in data["sampling"].items() if name in REQUEST},
        }
        if data["dollars"] is not None:
            attributes["archon.cost.usd"] = data["dollars"]
        end = int(event.time * NANO)
        span = self._tracer.start_span(
            f"chat {model or provider}",
            self._inside(parent),
            SpanKind.CLIENT,
            attributes,
            start_time=end - int(data["seconds"] * NANO),
        )
        if (error := data.get("error")) is not None:
            span.set_attribute("error.type", error.partition(":")[0])
            span.set_status(Status(StatusCode.ERROR, error))
        span.end(end)

    def _end(self, key: tuple[int, str], event: Event, error: str | None) -> None:
        span = self._open.pop(key, None)
        if span is None:
            return
        if error is not None:
            span.set_status(Status(StatusCode.ERROR, error))
        span.end(int(event.time * NANO))


def _plain(data: Any) -> dict[str, Any]:
    """What a span event may hold, without texts."""
    return {f"archon.{name}": value for name, value in data.items() if isinstance(value, int | float | str)}


@contextmanager
def exported() -> Iterator[TracerProvider]:
    """A provider that sends spans over OTLP/HTTP to where ``OTEL_*`` variables say, and waits for the last."""
    provider = Provider(resource=Resource.create({"service.name": "archon"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield provider
    finally:
        provider.shutdown()
