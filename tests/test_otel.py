"""Spans: the shape of a run as OpenTelemetry sees it, and what really goes over the wire."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from archon import Architecture, Engine, Task
from archon.cli import main
from archon.errors import PermanentError, TransientError
from archon.models.retry import RetryPolicy
from archon.otel import Spans
from archon.testing import ScriptedModel
from tests.loopback import Answer, serve


def architecture(*layers: Any) -> Architecture:
    price = {"input": 1, "output": 1, "date": "2026-11-01"}
    model = {"use": "openai/gpt-x", "temperature": 0.5, "max_tokens": 9, "price": price}
    return Architecture.model_validate({"name": "a", "models": {"m": model}, "layers": list(layers)})


async def spans_of(layers: Any, script: Any, attempts: int = 2) -> list[ReadableSpan]:
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    model = ScriptedModel(script, name="openai/gpt-x")
    observer = Spans("a", provider)
    policy = RetryPolicy(attempts=attempts, base=0.0)
    async with Engine(architecture(*layers), models={"m": model}, observe=observer, retry=policy) as engine:
        await engine.run(Task.of("What is 2 + 2?", id="q1"))
    observer.close()
    return list(memory.get_finished_spans())


def named(spans: list[ReadableSpan], name: str) -> list[ReadableSpan]:
    return [span for span in spans if span.name == name]


async def test_questions_hold_layers_hold_calls() -> None:
    layers = [{"generate": {"model": "m", "n": 2}}, {"fuse": {"model": "m"}}]
    spans = await spans_of(layers, lambda request, index: "The answer is 4.")
    (question,) = named(spans, "invoke_workflow a")
    (generate,), (fuse,) = named(spans, "0.generate"), named(spans, "1.fuse")
    calls = named(spans, "chat gpt-x")
    assert question.parent is None
    assert {layer.parent.span_id for layer in (generate, fuse) if layer.parent} == {question.context.span_id}
    parents = [call.parent.span_id for call in calls if call.parent]
    assert sorted(parents) == sorted([generate.context.span_id] * 2 + [fuse.context.span_id])
    facts = dict(calls[0].attributes or {})
    assert calls[0].kind is SpanKind.CLIENT
    assert facts["gen_ai.operation.name"] == "chat"
    assert (facts["gen_ai.provider.name"], facts["gen_ai.request.model"]) == ("openai", "gpt-x")
    assert (facts["gen_ai.request.temperature"], facts["gen_ai.request.max_tokens"]) == (0.5, 9)
    assert (facts["gen_ai.usage.input_tokens"], facts["gen_ai.usage.output_tokens"]) == (5, 4)
    assert facts["archon.cost.usd"] == pytest.approx(9e-6)
    for span in spans:
        assert span.start_time and span.end_time and span.start_time <= span.end_time
        assert "What is" not in span.to_json(), "texts stay here"


async def test_errors_and_retries_are_seen() -> None:
    fate = iter([TransientError("slow down", reason="rate_limit", status=429), "4"])
    spans = await spans_of([{"generate": {"model": "m"}}], lambda request, index: next(fate))
    bad, good = sorted(named(spans, "chat gpt-x"), key=lambda span: span.start_time or 0)
    assert bad.status.status_code is StatusCode.ERROR
    assert (bad.attributes or {})["error.type"] == "rate_limit"
    assert good.status.status_code is not StatusCode.ERROR
    (layer,) = named(spans, "0.generate")
    assert [event.name for event in layer.events] == ["archon.retry"]


async def test_a_failed_question_is_a_failed_span() -> None:
    spans = await spans_of([{"generate": {"model": "m"}}], lambda r, i: PermanentError("no", reason="forbidden"))
    assert {span.name for span in spans} == {"invoke_workflow a", "0.generate", "chat gpt-x"}
    assert all(span.status.status_code is StatusCode.ERROR for span in spans)


def test_the_command_exports_over_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Quietly."""

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    with HTTPServer(("127.0.0.1", 0), Collector) as collector, serve(lambda body: Answer()) as server:
        Thread(target=collector.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
        models = {"m": {"use": "openai/test", "base_url": server.base_url}}
        data = {"name": "a", "models": models, "layers": [{"generate": {"model": "m", "n": 2}}]}
        Path("a.json").write_text(json.dumps(data))
        with pytest.raises(SystemExit) as stop:
            main(["run", "a.json", "--question", "2 + 2?", "--otel"])
        collector.shutdown()
    assert stop.value.code == 0
    sent = [ExportTraceServiceRequest.FromString(body) for body in received]
    spans = [span for batch in sent for r in batch.resource_spans for scope in r.scope_spans for span in scope.spans]
    assert sorted(span.name for span in spans) == ["0.generate", "chat test", "chat test", "invoke_workflow a"]
