"""``archon estimate``, and what ``archon run`` says of its own estimate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from archon.observed import default_profile
from tests.commands import Run
from tests.loopback import Answer, error, serve

STACK = """\
name: stack
models:
  m:
    use: openai/test
    base_url: "{url}"
    max_tokens: 60
    concurrency: 8
    price: {{input: 1, output: 2, date: 2026-11-01}}
layers:
  - generate: {{model: m, n: 4, temperature: 0.8}}
  - critique: {{model: m}}
  - rank: {{model: m, keep: 2}}
  - fuse: {{model: m}}
"""


def answer(body: dict[str, Any]) -> Answer:
    prompt = body["messages"][-1]["content"]
    if "For each response, name" in prompt:
        return Answer(("\n".join(f"[{i}]\nStrengths: it is right." for i in range(1, 5)),), delay=0.05)
    if "Rank the responses" in prompt:
        return Answer(("[2] > [1] > [4] > [3]",), delay=0.05)
    return Answer(("Two boxes of twelve hold twenty-four, so the answer is 24.",), delay=0.05)


def write_questions(file: str, lengths: range, sentence: str = "How many eggs do some boxes hold? ") -> None:
    rows = [{"question": sentence * length} for length in lengths]
    Path(file).write_text("\n".join(map(json.dumps, rows)))


def test_one_run_makes_the_estimate_for_other_questions_exact(archon: Run) -> None:
    with serve(answer) as server:
        Path("a.yaml").write_text(STACK.format(url=server.base_url))
        write_questions("first.jsonl", range(1, 13))
        write_questions("other.jsonl", range(4, 28), "Which of these sums is the larger one? ")
        before = json.loads(archon("estimate", "a.yaml", "--input", "first.jsonl", "--json")[1])
        assert {layer["basis"] for layer in before[0]["layers"]} == {"assumed"}
        assert server.calls == 0
        assert archon("run", "a.yaml", "--input", "first.jsonl")[0] == 0
        asked = server.calls
        ((estimate),) = json.loads(archon("estimate", "a.yaml", "--input", "other.jsonl", "--json")[1])
        assert server.calls == asked, "an estimate asks nobody"
        assert {layer["basis"] for layer in estimate["layers"]} == {"observed"}
        code, out, err = archon("run", "a.yaml", "--input", "other.jsonl", "--json")
    assert code == 0
    (summary,) = json.loads(out)["architectures"]
    compared = summary["estimate"]
    assert compared["calls"] == {"predicted": 24 * 7, "actual": 24 * 7, "error": 0}
    assert abs(compared["tokens"]["error"]) < 0.03
    assert abs(compared["dollars"]["error"]) < 0.03
    assert compared["tokens"]["predicted"] == (
        estimate["total"]["prompt_tokens"] + estimate["total"]["completion_tokens"]
    )
    # 168 calls of 50 ms, eight at a time, take 1.05 s; a busy machine may need longer, but it needed longer before.
    assert compared["seconds"]["predicted"] > 1.0
    assert 0.5 < compared["seconds"]["actual"] / compared["seconds"]["predicted"] < 2
    assert "archon: stack: the estimate said 168 calls, " in err
    assert "; it took 168 calls (+0 %), " in err


def test_the_table_names_the_basis_and_the_day_of_the_prices(archon: Run) -> None:
    Path("a.yaml").write_text(STACK.format(url="http://127.0.0.1:9/v1"))
    code, out, _ = archon("estimate", "a.yaml", "--question", "x", "--set", "layers.0.generate.n=2")
    assert code == 0
    for fragment in ("0.generate", "assumed", "one question", "at most", "Prices of 2026-11-01: openai/test", "$"):
        assert fragment in out
    (data,) = json.loads(archon("estimate", "a.yaml", "--question", "x", "--set", "layers.0.generate.n=2", "--json")[1])
    assert data["total"]["calls"] == 5
    assert data["at_most"]["calls"] == 7


def test_what_is_not_known_is_said(archon: Run) -> None:
    text = STACK.format(url="http://127.0.0.1:9/v1").replace("    max_tokens: 60\n", "")
    Path("a.yaml").write_text("".join(line for line in text.splitlines(True) if "price" not in line))
    out = archon("estimate", "a.yaml", "--question", "x")[1]
    for fragment in ("unknown", "no limit", "No price is known: openai/test"):
        assert fragment in out


def test_neither_keys_nor_weights_are_needed(archon: Run) -> None:
    for use in ("openai/gpt-4o-mini", "local/qwen2.5-coder-0.5b"):
        Path("a.yaml").write_text(f"name: a\nlayers:\n  - generate: {{model: {use}}}\n")
        assert archon("estimate", "a.yaml", "--question", "x")[0] == 0


def test_bad_input_is_one_sentence(archon: Run) -> None:
    Path("a.yaml").write_text(STACK.format(url="http://127.0.0.1:9/v1"))
    for arguments in (("a.yaml",), ("a.yaml", "--input", "no.jsonl"), ("no.yaml", "--question", "x")):
        code, out, err = archon("estimate", *arguments)
        assert (code, out, len(err.strip().splitlines())) == (2, "", 1)


def test_the_run_keeps_its_estimate(archon: Run) -> None:
    with serve(answer) as server:
        Path("a.yaml").write_text(STACK.format(url=server.base_url))
        write_questions("q.jsonl", range(1, 4))
        out = archon("run", "a.yaml", "--input", "q.jsonl", "--json")[1]
    run = Path(json.loads(out)["run"])
    assert json.loads((run / "run.json").read_text())["estimate"]["stack"]["total"]["calls"] == 21
    assert "estimate" in json.loads((run / "summary.json").read_text())[0]


def test_what_the_store_answers_says_nothing_of_time(archon: Run) -> None:
    with serve(answer) as server:
        Path("a.yaml").write_text(STACK.format(url=server.base_url))
        for times in (True, False):
            out = archon("run", "a.yaml", "--question", "x", "--json")[1]
            assert ("seconds" in json.loads(out)["architectures"][0]["estimate"]) == times


def test_what_was_not_done_whole_is_not_compared(archon: Run) -> None:
    alive = False
    with serve(lambda body: answer(body) if alive else error(400, "no")) as server:
        Path("a.yaml").write_text(STACK.format(url=server.base_url))
        alive = True
        write_questions("q.jsonl", range(1, 3))
        out = archon("run", "a.yaml", "--input", "q.jsonl", "--budget", "calls=9", "--json", "--no-store")[1]
        assert "estimate" not in json.loads(out)["architectures"][0]
        alive = False
        out = archon("run", "a.yaml", "--question", "y", "--json")[1]
        assert "estimate" not in json.loads(out)["architectures"][0]
        alive = True
        out, err = archon("run", "--resume", json.loads(out)["run"], "--json")[1:]
        compared = json.loads(out)["architectures"][0]["estimate"]
        assert compared["calls"]["error"] == 0, "nothing had been answered before, so this was the whole run"
        assert "the estimate said" in err


def test_a_resumed_part_is_not_compared(archon: Run) -> None:
    alive = False
    script = lambda body: answer(body) if alive or "hold? How" not in str(body) else error(400, "no")  # noqa: E731
    with serve(script) as server:
        Path("a.yaml").write_text(STACK.format(url=server.base_url))
        write_questions("q.jsonl", range(1, 3))
        first = archon("run", "a.yaml", "--input", "q.jsonl", "--json")[1]
        alive = True
        code, out, err = archon("run", "--resume", json.loads(first)["run"], "--json")
    assert code == 0
    assert "estimate" not in json.loads(out)["architectures"][0]
    assert "the estimate said" not in err


def test_a_broken_profile_is_passed_over_and_mended(archon: Run) -> None:
    default_profile().parent.mkdir(parents=True, exist_ok=True)
    default_profile().write_bytes(b"\x00\xff{not a profile")
    with serve(answer) as server:
        Path("a.yaml").write_text(STACK.format(url=server.base_url))
        assert archon("run", "a.yaml", "--question", "x")[0] == 0
        (data,) = json.loads(archon("estimate", "a.yaml", "--question", "x", "--json")[1])
    assert data["layers"][0]["observed_calls"] == 4


def test_formulas_are_listed(archon: Run) -> None:
    listed = {entry["kind"]: entry["calls"] for entry in json.loads(archon("techniques", "--json")[1])}
    assert listed["generate"] == "models × n"
    assert "models × n" in archon("techniques", "generate")[1]
