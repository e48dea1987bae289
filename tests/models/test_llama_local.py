"""llama.cpp in this process on a real model of half a billion parameters."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from archon.errors import ConfigError
from archon.models.llama import LlamaServer
from archon.models.weights import locate

pytestmark = pytest.mark.local

RAIN = [{"role": "user", "content": "Write one sentence about rain."}]
LONG = [{"role": "user", "content": "Count from 1 to 1000 in words."}]


@pytest.fixture(scope="module")
def weights() -> Path:
    pytest.importorskip("xllamacpp")
    try:
        return locate("qwen2.5-coder-0.5b")
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def server(weights: Path) -> Iterator[LlamaServer]:
    with LlamaServer(weights, slots=2, context=512, alias="coder", cache_prompt=False) as running:
        yield running


def chat(server: LlamaServer, messages: list[dict[str, str]] = RAIN, **fields: Any) -> dict[str, Any]:
    body = {"messages": messages, "max_tokens": 16} | fields
    with httpx.Client(trust_env=False, timeout=100) as client:
        response = client.post(f"{server.base_url}/chat/completions", json=body)
    reply: dict[str, Any] = response.raise_for_status().json()
    return reply


def text(reply: dict[str, Any]) -> str:
    content: str = reply["choices"][0]["message"]["content"]
    return content


def processing(server: LlamaServer) -> int:
    slots = httpx.get(f"{server.base_url.removesuffix('/v1')}/slots", trust_env=False, timeout=30).json()
    return sum(slot["is_processing"] for slot in slots)


def test_serves_on_the_loopback_under_its_alias(server: LlamaServer) -> None:
    assert server.base_url.startswith("http://127.0.0.1:")
    assert server.base_url.endswith("/v1")
    models = httpx.get(f"{server.base_url}/models", trust_env=False).json()
    assert [model["id"] for model in models["data"]] == ["coder"]
    assert chat(server)["model"] == "coder"


def test_one_at_a_time_the_same_seed_gives_the_same_text(server: LlamaServer) -> None:
    first, _other, again = (text(chat(server, seed=seed, temperature=0.8)) for seed in (1, 2, 1))
    assert first == again


def test_quirks_that_callers_rely_on(server: LlamaServer) -> None:
    """What other code was written against; a new llama.cpp that differs should be noticed."""
    several = chat(server, n=2, temperature=1.0, seed=3)
    assert len(several["choices"]) == 2
    assert several["usage"]["completion_tokens"] <= 16  # of one choice only

    prefix = [*RAIN, {"role": "assistant", "content": "Today it"}]
    assert text(chat(server, prefix)).startswith("Today it")

    stopped = chat(server, [{"role": "user", "content": "Count from 1 to 9."}], stop=["3"], temperature=0)
    assert "3" not in text(stopped)
    assert stopped["choices"][0]["finish_reason"] == "stop"

    (token,) = chat(server, max_tokens=1, logprobs=True, top_logprobs=3)["choices"][0]["logprobs"]["content"]
    assert len(token["top_logprobs"]) == 3 and token["logprob"] <= 0


def test_more_requests_than_slots_all_answer(server: LlamaServer) -> None:
    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(lambda seed: chat(server, seed=seed, max_tokens=4), range(6)))
    assert all(reply["usage"]["completion_tokens"] <= 4 for reply in replies)


def test_a_request_that_is_too_long_is_refused(server: LlamaServer) -> None:
    with pytest.raises(httpx.HTTPStatusError) as caught:
        chat(server, [{"role": "user", "content": "hi " * 600}])
    assert caught.value.response.json()["error"]["type"] == "exceed_context_size_error"


def test_a_streamed_request_gives_its_slot_back(server: LlamaServer) -> None:
    body = {"messages": LONG, "max_tokens": 400, "stream": True}
    with (
        httpx.Client(trust_env=False, timeout=30) as client,
        client.stream("POST", f"{server.base_url}/chat/completions", json=body) as response,
    ):
        next(response.iter_bytes())
        assert processing(server) == 1
    deadline = time.monotonic() + 5
    while processing(server) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processing(server) == 0


def test_closing_cuts_requests_in_flight(weights: Path) -> None:
    server = LlamaServer(weights, slots=1, context=1024)
    ended: list[Exception] = []

    def wait() -> None:
        try:
            chat(server, LONG, max_tokens=1000)
        except httpx.TransportError as error:
            ended.append(error)

    client = threading.Thread(target=wait)
    client.start()
    while not processing(server):
        time.sleep(0.05)
    begun = time.monotonic()
    server.close()
    server.close()
    client.join(10)
    assert time.monotonic() - begun < 10
    assert len(ended) == 1
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.base_url}/models", trust_env=False)


def test_two_servers_live_side_by_side(server: LlamaServer, weights: Path) -> None:
    with LlamaServer(weights, slots=1, context=256, alias="second") as second:
        assert second.base_url != server.base_url
        assert chat(second, max_tokens=2)["model"] == "second"
    assert chat(server, max_tokens=2)["model"] == "coder"


def test_chosen_port_is_used(weights: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for _ in range(2):  # again at once: connections that linger do not count as use
        with LlamaServer(weights, slots=1, context=256, port=port) as server:
            assert server.base_url == f"http://127.0.0.1:{port}/v1"
            chat(server, max_tokens=1)


def test_taken_port_is_refused(weights: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"Port {port} on 127.0.0.1 is in use; choose another with --port"):
            LlamaServer(weights, port=port)


def test_files_that_are_no_models_are_refused(weights: Path, tmp_path: Path) -> None:
    with weights.open("rb") as file:
        beginning = file.read(1 << 20)
    contents = {"is not a GGUF file": b"PK" * 100, "cannot serve": beginning}
    for reason, content in contents.items():
        path = tmp_path / "model.gguf"
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=reason):
            LlamaServer(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        LlamaServer(tmp_path / "absent.gguf")


def test_llama_cpp_writes_nothing(weights: Path) -> None:
    """Even a server that was never closed leaves stdout and stderr to the command that runs it."""
    script = (
        "import sys, httpx\n"
        "from pathlib import Path\n"
        "from archon.models.llama import LlamaServer\n"
        "server = LlamaServer(Path(sys.argv[1]), slots=1, context=256)\n"
        "body = {'messages': [{'role': 'user', 'content': 'hi'}], 'max_tokens': 2}\n"
        "url = server.base_url + '/chat/completions'\n"
        "httpx.post(url, json=body, timeout=60, trust_env=False).raise_for_status()\n"
    )
    command = [sys.executable, "-c", script, str(weights)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=100)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_closing_gives_every_descriptor_back(weights: Path) -> None:
    counts = []
    for _ in range(3):
        LlamaServer(weights, slots=1, context=256).close()
        counts.append(len(list(Path("/dev/fd").iterdir())))
    assert counts[2] <= counts[0] + 1
