"""Retries, normalisation, probing and the pool."""

from __future__ import annotations

from typing import Any

import pytest

from archon.concurrency import run_sync
from archon.errors import ConfigError, PermanentError, TransientError
from archon.models.base import Capabilities, Completion, Request, Sampling, TokenLogprob
from archon.models.normalise import Normalised
from archon.models.pool import ModelPool
from archon.models.probe import known_capabilities, probe, remember_capabilities
from archon.models.retry import Retrying, RetryPolicy
from archon.models.spec import ModelSpec
from archon.models.template import TEMPLATES
from archon.state import Message
from archon.testing import ScriptedModel
from tests.loopback import Answer, error, serve

ASK = Request((Message("user", "2 + 2?"),))
QUICK = RetryPolicy(attempts=3, base=0.0)


class TestRetrying:
    def test_a_transient_failure_is_tried_again(self) -> None:
        replies: list[Any] = [TransientError("x", reason="overloaded"), TransientError("x", reason="timeout"), "ok"]
        model = ScriptedModel(lambda request, index: replies.pop(0))
        reply = run_sync(Retrying(model, QUICK).complete(ASK))
        assert reply.completions[0].text == "ok"
        assert len(model.requests) == 3

    def test_the_number_of_attempts_is_bounded(self) -> None:
        model = ScriptedModel(lambda request, index: TransientError("x", reason="overloaded"))
        with pytest.raises(TransientError):
            run_sync(Retrying(model, QUICK).complete(ASK))
        assert len(model.requests) == 3

    def test_a_permanent_failure_is_not_tried_again(self) -> None:
        model = ScriptedModel(lambda request, index: PermanentError("x", reason="not_found"))
        with pytest.raises(PermanentError):
            run_sync(Retrying(model, QUICK).complete(ASK))
        assert len(model.requests) == 1

    def test_a_wait_that_would_outlast_the_bound_is_not_begun(self) -> None:
        model = ScriptedModel(lambda request, index: TransientError("x", reason="rate_limit", retry_after=3600))
        with pytest.raises(TransientError):
            run_sync(Retrying(model, RetryPolicy(seconds=1.0)).complete(ASK))
        assert len(model.requests) == 1


class TestNormalised:
    MESSAGES = (Message("user", "Count."), Message("assistant", "1, 2,"))

    def complete(self, text: str, sampling: Sampling | None = None, **capabilities: Any) -> Any:
        model = ScriptedModel(text, capabilities=Capabilities(**capabilities))
        return run_sync(Normalised(model).complete(Request(self.MESSAGES, sampling or Sampling()))).completions[0]

    def test_an_echoed_prefix_is_cut_off(self) -> None:
        assert self.complete("1, 2, 3, 4", prefix="echoes").text == " 3, 4"

    def test_a_continuation_is_left_alone(self) -> None:
        assert self.complete(" 3, 4", prefix="continues").text == " 3, 4"

    def test_an_endpoint_that_cannot_continue_says_so(self) -> None:
        with pytest.raises(PermanentError, match="does not continue"):
            self.complete("whatever", prefix="unsupported")

    def test_an_echo_that_is_missing_means_that_the_endpoint_started_over(self) -> None:
        with pytest.raises(PermanentError, match="did not"):
            self.complete("Let me count: 1, 2, 3", prefix="echoes")

    @pytest.mark.parametrize(("stop", "text"), [((",",), " 3"), ((), "1, 2, 3, 4")])
    def test_an_echo_that_was_not_expected_is_cut_off_where_it_can_be_told(
        self, stop: tuple[str, ...], text: str
    ) -> None:
        """A continuation that stops at a comma cannot begin with one; without stop strings it may."""
        assert self.complete("1, 2, 3, 4", Sampling(stop=stop), prefix="continues").text == text

    @pytest.mark.parametrize(
        ("said", "capabilities", "known"),
        [
            ("END", {}, "END"),
            ("", {}, None),
            (None, {}, None),
            ("", {"stop_reason": True}, ""),
            (None, {"stop_reason": True}, None),
            (None, {"stop": False}, ""),
        ],
    )
    def test_what_ended_a_text_is_known_or_not(
        self, said: str | None, capabilities: dict[str, Any], known: str | None
    ) -> None:
        """Servers that always leave it empty are not believed; where nothing can have stopped a text, it stopped."""
        model = ScriptedModel(
            lambda request, index: Completion("3", stop_reason=said), capabilities=Capabilities(**capabilities)
        )
        request = Request(ASK.messages, Sampling(stop=("END",)))
        (completion,) = run_sync(Normalised(model).complete(request)).completions
        assert completion.stop_reason == known

    def test_choices_that_usage_leaves_out_are_counted(self) -> None:
        asked: list[Request] = []

        def script(request: Request, index: int) -> Completion:
            asked.append(request)
            tokens = tuple(TokenLogprob("x", -1.0) for _ in range(index + 1))
            return Completion("x" * (index + 1), logprobs=tokens if request.sampling.top_logprobs else None)

        model = ScriptedModel(script, capabilities=Capabilities(multiple=True, recount=True))
        reply = run_sync(Normalised(model).complete(Request(ASK.messages, indices=(0, 1, 2))))
        assert reply.usage is not None
        assert reply.usage.completion == 1 + 2 + 3
        assert [c.usage and c.usage.completion for c in reply.completions] == [1, 2, 3]
        assert all(completion.logprobs is None for completion in reply.completions)

    def test_ignored_stop_strings_are_applied_here(self) -> None:
        completion = self.complete(" 3 END 4", Sampling(stop=("END",)), prefix="continues", stop=False)
        assert (completion.text, completion.finish_reason, completion.stop_reason) == (" 3 ", "stop", "END")

    def test_they_are_applied_even_if_the_endpoint_is_taken_to_honour_them(self) -> None:
        completion = self.complete(" 3 4", Sampling(stop=(" 4", " ")), prefix="continues")
        assert (completion.text, completion.stop_reason) == ("", " ")


def fake_endpoint(
    body: dict[str, Any],
    *,
    n: bool = True,
    prefix: str = "echoes",
    logprobs: bool = True,
    stop_reason: Any = None,
    text_route: str = "missing",
) -> Answer:
    """An endpoint whose habits are known, to see whether a probe finds them out."""
    if "prompt" in body:
        if text_route == "missing":
            return error(404, "no such route")
        count = 1 if text_route == "ignores n" else body.get("n", 1)
        return Answer((" 5, 6, 7" if text_route != "answers" else "1, 2, 3",) * count)
    messages = body["messages"]
    last = messages[-1]
    if last["role"] == "assistant":
        if prefix == "refuses":
            return error(400, "the last message must be the user's")
        wanted = {"vllm": "continue_final_message" in body, "mistral": "prefix" in last}.get(prefix, True)
        text = " 5, 6, 7" if wanted and prefix != "restarts" else "1, 2, 3, 4, 5"
        if prefix == "echoes":
            text = last["content"] + text
        return Answer((text,))
    if "stop" in body:
        choice = {"index": 0, "message": {"content": "1, 2, 3, 4, 5, 6, "}, "finish_reason": "stop"}
        return Answer(fields={"choices": [{**choice, "stop_reason": stop_reason}]})
    if "logprobs" in body and logprobs and "n" not in body:
        alternatives = [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -2.3}]
        token = {"token": "Yes", "logprob": -0.1, "top_logprobs": alternatives}
        choice = {"index": 0, "message": {"content": "Yes"}, "finish_reason": "stop", "logprobs": {"content": [token]}}
        return Answer(fields={"choices": [choice]})
    count = body.get("n", 1)
    state = body["seed"] if "seed" in body else id(body)
    texts = tuple(f"The surprising number {state + i} is here today" for i in range(count))
    usage = None if n else {"prompt_tokens": 9, "completion_tokens": 7}
    if "logprobs" not in body or not logprobs:
        return Answer(texts, usage=usage)
    choices = []
    for index, text in enumerate(texts):
        content = [{"token": word, "logprob": -1.0, "top_logprobs": []} for word in text.split()]
        choice = {"index": index, "message": {"content": text}, "finish_reason": "stop"}
        choices.append({**choice, "logprobs": {"content": content}})
    return Answer(texts, usage=usage, fields={"choices": choices})


@pytest.mark.parametrize(
    ("habits", "expected"),
    [
        ({}, Capabilities(multiple=True, prefix="echoes")),
        ({"n": False}, Capabilities(multiple=True, recount=True, prefix="echoes")),
        ({"n": False, "logprobs": False}, Capabilities(multiple=False, logprobs=False, prefix="echoes")),
        ({"prefix": "continues"}, Capabilities(multiple=True, prefix="continues")),
        ({"prefix": "refuses"}, Capabilities(multiple=True)),
        ({"prefix": "refuses", "stop_reason": "7"}, Capabilities(multiple=True, stop_reason=True)),
        ({"prefix": "restarts"}, Capabilities(multiple=True)),
        (
            {"prefix": "vllm"},
            Capabilities(multiple=True, prefix="continues", prefix_style="continue_final_message"),
        ),
        ({"prefix": "mistral"}, Capabilities(multiple=True, prefix="continues", prefix_style="message_prefix")),
        ({"prefix": "refuses", "text_route": "continues"}, Capabilities(multiple=True, completions=True)),
        ({"prefix": "refuses", "text_route": "answers"}, Capabilities(multiple=True)),
        ({"prefix": "refuses", "text_route": "ignores n"}, Capabilities(multiple=True)),
        (
            {"prefix": "refuses", "text_route": "ignores n", "n": False, "logprobs": False},
            Capabilities(logprobs=False, completions=True),
        ),
    ],
)
async def test_a_probe_finds_out_what_an_endpoint_does(habits: dict[str, Any], expected: Capabilities) -> None:
    with serve(lambda body: fake_endpoint(body, **habits)) as server:
        spec = ModelSpec(use="openai/test", base_url=server.base_url)
        async with ModelPool() as pool:
            found = await probe(await pool.bare_model(spec))
    assert found.capabilities == expected


async def test_a_probe_lays_texts_out_by_the_template_that_it_is_given() -> None:
    template = dict(TEMPLATES["chatml"])
    with serve(lambda body: fake_endpoint(body, text_route="continues")) as server:
        spec = ModelSpec(use="openai/test", base_url=server.base_url)
        async with ModelPool() as pool:
            found = await probe(await pool.bare_model(spec), template)
        remember_capabilities(server.base_url, "test", found.capabilities)
    assert found.capabilities.template == template
    assert known_capabilities(server.base_url, "test") == found.capabilities
    texts = [body["prompt"] for body in server.bodies if "prompt" in body]
    assert texts
    assert all(text.endswith("<|im_start|>assistant\none, 2, THREE, 4,") for text in texts)
    own = ModelSpec(use="openai/test", base_url=server.base_url, template={**template, "answer": "A: "})
    async with ModelPool() as pool:
        assert (await pool.model(own)).capabilities.template == own.template, "what the user says comes first"


async def test_a_probe_is_remembered_and_used() -> None:
    with serve(lambda body: Answer(("x",) * body.get("n", 1))) as server:
        spec = ModelSpec(use="openai/test", base_url=server.base_url)
        assert known_capabilities(server.base_url, "test") is None
        remember_capabilities(server.base_url, "test", Capabilities(multiple=True, prefix="continues"))
        async with ModelPool() as pool:
            model = await pool.model(spec)
        assert model.capabilities == Capabilities(multiple=True, prefix="continues")


async def test_a_missing_key_is_one_sentence() -> None:
    async with ModelPool() as pool:
        with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
            await pool.model(ModelSpec(use="openai/gpt-4o-mini"))
        with pytest.raises(ConfigError, match="MY_KEY is not set"):
            await pool.model(ModelSpec(use="vllm/x", api_key="${MY_KEY}"))


async def test_a_provider_s_key_goes_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that names a server of its own gets the key that it names, and no other."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("MY_KEY", "sk-mine")
    with serve(lambda body: Answer()) as server:
        async with ModelPool() as pool:
            for api_key in (None, "${MY_KEY}"):
                model = await pool.model(ModelSpec(use="openai/x", base_url=server.base_url, api_key=api_key))
                await model.complete(ASK)
            monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
            await (await pool.model(ModelSpec(use="openai/x"))).complete(ASK)
    without, named, chosen = server.heads
    assert "sk-" not in without
    assert "Bearer sk-mine" in named
    assert "Bearer sk-secret" in chosen, "who redirects the provider means to use its key"


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with serve(lambda body: Answer()) as server:
        async with ModelPool() as pool:
            model = await pool.model(ModelSpec(use="openai/x", base_url=server.base_url))
            assert (await model.complete(ASK)).completions
