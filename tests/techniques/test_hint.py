from __future__ import annotations

import re
import time
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.architecture import Architecture
from archon.engine import Engine
from archon.errors import ConfigError, PermanentError
from archon.estimate import estimate
from archon.models.base import Capabilities, Completion, Request
from archon.observed import Profile
from archon.programs import blocks
from archon.sandbox import Execution
from archon.state import Candidate, Message, State, Task
from archon.testing import ScriptedModel, rehearse
from techniques import Hint
from techniques.hint import HINT, SHOWN, STOP, clip, glue, hinted, next_program, output_block
from tests.techniques.snapshot import check_snapshot

ANSWER = Candidate("The answer is 5.", "a", ("hm",), 0.5, True)
TEXTS = (
    st.text()
    | st.text(alphabet="`\n ab")
    | st.lists(st.sampled_from(["```", "```python", "````", "\n", "print(1)", "   ", "word"])).map("\n".join)
)


def run(replies: Sequence[object], **given_settings: object) -> tuple[State, ScriptedModel]:
    """Let a model say these things one after the other."""
    said = iter(replies)
    model = ScriptedModel(lambda request, index: next(said))  # type: ignore[arg-type, return-value]
    technique = Hint.model_validate({"model": "m", **given_settings})
    rehearsal = rehearse(technique, model, candidates=[ANSWER])
    assert rehearsal.result.error is None, rehearsal.result.error
    return rehearsal.state, model


def test_the_answer_goes_on_with_what_its_code_printed() -> None:
    state, model = run(["\nprint(2 + 2)", "\n\nSo the answer is 4."])
    (candidate,) = state.candidates
    assert candidate == Candidate(
        f"The answer is 5.\n\n{HINT}\nprint(2 + 2)\n```\n\n```output\n4\n```\n\nSo the answer is 4.", "1.hint/m#0"
    )
    first, second = model.requests
    assert first.messages == (Message("user", "What is 2 + 2?"), Message("assistant", f"The answer is 5.\n\n{HINT}"))
    assert second.messages[-1] == Message("assistant", candidate.text.removesuffix("\n\nSo the answer is 4."))
    assert (first.sampling.stop, second.sampling.stop) == (STOP, ())
    assert not state.failures


def test_code_may_follow_code_until_no_more_is_run() -> None:
    block = "\n```python\nprint({})\n```\nwhich I imagine prints 9"
    replies = ["print(1)", block.format(2), block.format(3)]
    state, model = run(replies, executions=2)
    text = state.candidates[0].text
    assert [b.code for b in blocks(text) if b.language == "output"] == ["1", "2"]
    assert text.endswith("print(3)\n```\nwhich I imagine prints 9"), "the last reply is left as it is"
    assert text.count("I imagine") == 1, "what stands below a block that is run is not the model's to say"
    assert len(model.requests) == 3


def test_every_round_has_its_hint_and_goes_on_where_the_last_ended() -> None:
    state, model = run(["print(1)", "One.", "print(2)", "Two."], rounds=2, hint="Check:\n```python\n")
    assert re.sub(r"\s+", " ", state.candidates[0].text) == (
        "The answer is 5. Check: ```python print(1) ``` ```output 1 ``` One. "
        "Check: ```python print(2) ``` ```output 2 ``` Two."
    )
    assert not any(request.messages[-1].content[-1].isspace() for request in model.requests)


def test_a_hint_that_opens_no_block_leaves_the_model_free() -> None:
    state, model = run(["I see, it is 4."], hint="Wait.")
    assert state.candidates[0].text == "The answer is 5.\n\nWait.I see, it is 4."
    assert model.requests[0].sampling.stop == ()
    state, _ = run([" Let me see.\n```python\nprint(4)\n```\nIt prints 5.", " Yes: 4."], hint="Wait.")
    assert "5." not in state.candidates[0].text.removeprefix("The answer is 5.")
    assert "```output\n4\n```" in state.candidates[0].text


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("pass", "(The program printed nothing.)"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("print('x')\n1 / 0", "x\nTraceback"),
        ("print(", "SyntaxError"),
        ("raise SystemExit(3)", "(The program ended with status 3.)"),
        ("while True: pass", "(The program was stopped: it took too long.)"),
        ("x = bytearray(10 ** 11)", "(The program was stopped: it needed too much memory.)"),
        ("while True: print('x')", "(The program was stopped: it printed too much.)"),
        ("print('```\\n' * 3)", "````output\n```"),
    ],
)
def test_what_goes_wrong_is_shown(code: str, shown: str) -> None:
    state, _ = run([code, "\nI see."], seconds=1)
    text = state.candidates[0].text
    assert shown in text
    assert text.endswith("\nI see.")
    assert [block.closed for block in blocks(text)] == [True, True]


def test_where_the_sandbox_put_a_program_is_not_shown() -> None:
    state, _ = run(["1 / 0", "I see."])
    assert 'File "main.py", line 1' in state.candidates[0].text


BROKEN = PermanentError("broken", reason="forbidden")
CUT = Completion("print(1", finish_reason="length")


@pytest.mark.parametrize(
    ("replies", "kind", "reason"),
    [
        ([BROKEN], "call", "broken"),
        ([" \n"], "parse", "the reply to the hint is empty"),
        ([CUT], "parse", "the reply breaks off within a program"),
        (["print(1)", BROKEN], "call", "broken"),
        (["print(1)", Completion("\n```python\nprint(1", finish_reason="length")], "parse", "breaks off"),
    ],
)
@pytest.mark.parametrize("rounds", [1, 2])
def test_what_cannot_be_had_is_recorded_and_the_answer_stays(
    replies: list[object], kind: str, reason: str, rounds: int
) -> None:
    before = ["print(0)", "Fine."] if rounds == 2 else []
    state, _ = run([*before, *replies], rounds=rounds)
    assert [failure.kind for failure in state.failures] == [kind]
    assert reason in state.failures[0].reason
    assert state.candidates[0] == ANSWER if rounds == 1 else state.candidates[0].text.endswith("\nFine.")


def test_an_ending_that_is_cut_or_empty_is_an_ending() -> None:
    state, _ = run(["print(1)", Completion("\nSo it is", finish_reason="length")])
    assert state.candidates[0].text.endswith("So it is")
    state, _ = run(["print(1)", ""])
    assert state.candidates[0].text.endswith("```output\n1\n```")
    state, _ = run(["print(1)\n```\nand\n```python\nprint(", "Well."], executions=1)
    assert state.candidates[0].text.endswith("print(1)\n```\n\n```output\n1\n```\nWell.")


def test_a_block_before_the_cut_is_run() -> None:
    cut = Completion("print(1)\n```\nand\n```python\nprint(", finish_reason="length")
    state, _ = run([cut, "Well."])
    assert state.candidates[0].text.endswith("```output\n1\n```\nWell.")


def test_candidates_are_worked_on_by_themselves_and_keep_their_order() -> None:
    def script(request: Request, index: int) -> str:
        text = request.messages[-1].content
        return "\nDone." if "```output" in text else f"print('{text[0]}' * 3)"

    candidates = [Candidate("a"), Candidate("b"), Candidate("c")]
    state = rehearse(Hint(model="m"), ScriptedModel(script), candidates=candidates).state
    found = [re.search(r"output\n(\w+)", candidate.text) for candidate in state.candidates]
    assert [match and match[1] for match in found] == ["aaa", "bbb", "ccc"]


def test_an_endpoint_that_does_not_continue_is_refused() -> None:
    model = ScriptedModel("x", capabilities=Capabilities(prefix="unsupported"))
    result = rehearse(Hint(model="m"), model, candidates=[ANSWER]).result
    assert isinstance(result.error, ConfigError)
    assert "1.hint" in str(result.error)
    assert not model.requests


def test_an_endpoint_without_stop_strings_is_cut_on_our_side() -> None:
    said = iter(["print(1)\n```\nIt prints 7.", "\nOne."])
    model = ScriptedModel(lambda request, index: next(said), capabilities=Capabilities(prefix="continues", stop=False))
    text = rehearse(Hint(model="m"), model, candidates=[ANSWER]).state.candidates[0].text
    assert text.endswith("print(1)\n```\n\n```output\n1\n```\nOne.")


async def test_estimates_bound_what_the_layers_after_it_read() -> None:
    """Candidates grow by everything that is said, so whoever reads them afterwards reads more than one reply."""
    # No reply has more bytes than the model may write tokens.
    model = ScriptedModel(
        lambda request, index: "print('x' * 50_000)" if "python" in str(request.messages) else "four words of answer"
    )
    spec = {"use": "openai/test", "max_tokens": 20}
    layers = [{"generate": {"model": "m", "n": 2}}, {"hint": {"model": "m", "rounds": 2}}, {"fuse": {"model": "m"}}]
    architecture = Architecture.model_validate({"name": "a", "models": {"m": spec}, "layers": layers})
    task = Task.of("What is 2 + 2?")
    async with Engine(architecture, models={"m": model}) as engine:
        assert (await engine.run(task)).error is None
    read = len(model.requests[-1].messages[-1].content.encode())
    fuse = estimate(architecture, [task], Profile()).layers[-1]
    assert 2 * 2 * SHOWN < read <= fuse.at_most.prompt
    assert 2 * 2 * SHOWN / 4 < fuse.figures.prompt < fuse.at_most.prompt


@given(TEXTS, TEXTS.filter(str.strip))
def test_a_hint_stands_below_the_answer_and_outside_its_blocks(answer: str, hint: str) -> None:
    text = hinted(answer, hint)
    assert text.startswith(answer.rstrip().lstrip()) or not answer.strip()
    assert text.endswith(hint.strip())
    above = blocks(text[: len(text) - len(hint.strip())])
    assert all(block.closed for block in above)


@given(TEXTS, TEXTS)
def test_gluing_loses_nothing(text: str, continuation: str) -> None:
    whole = glue(text, continuation)
    assert whole.startswith(text)
    assert whole.endswith(continuation)
    assert len(whole) - len(text) - len(continuation) in (0, 1)


@settings(deadline=None)
@example("```PY\n0\r", "", True)
@given(TEXTS, TEXTS, st.booleans())
def test_a_program_to_run_is_one_that_the_continuation_ends(text: str, continuation: str, ended: bool) -> None:
    whole = glue(text, continuation)
    found = next_program(whole, len(text), ended=ended)
    if found is None:
        assert not any(b.python and b.code.strip() and b.closed and b.end > len(text) for b in blocks(whole))
        return
    kept, program = found
    last = blocks(kept)[-1]
    assert (last.code, last.closed, last.python) == (program, True, True)
    assert whole.startswith(kept) or (ended and kept.endswith(last.fence))


@given(
    st.text() | st.text(alphabet="`\n "),
    st.text() | st.text(alphabet="`\nx", min_size=900, max_size=1100).map(lambda text: text * 3),
    st.sampled_from(["ok", "error", "timeout", "memory", "output", "files", "processes", "crashed"]),
)
def test_output_is_one_closed_block_of_bounded_length(stdout: str, stderr: str, kind: str) -> None:
    block = output_block(Execution(stdout, stderr, 1, kind, 0.1, False))  # type: ignore[arg-type]
    (found,) = blocks(block)
    assert (found.language, found.closed, found.end) == ("output", True, len(block))
    assert len(block.encode(errors="replace")) <= SHOWN + 50
    assert found.code.strip()


@given(st.text(), st.integers(2, 50))
def test_clipping_keeps_the_ends(text: str, most: int) -> None:
    clipped = clip(text, most)
    assert len(clipped.encode(errors="replace")) <= most + len("\n[...]\n")
    head, _, tail = clipped.partition("\n[...]\n")
    assert clipped == text or (text.startswith(head) and text.endswith(tail))


def test_everything_takes_linear_time() -> None:
    started = time.perf_counter()
    for text in ("`" * 100_000, "```python\n" * 10_000, 'File "' * 20_000, "\n" * 100_000):
        hinted(text, text)
        next_program(text, 0, ended=True)
        output_block(Execution(text, text, 1, "error", 0.1, False))
    assert time.perf_counter() - started < 2


def test_hints_are_not_empty() -> None:
    with pytest.raises(ValidationError):
        Hint(model="m", hint="")


def test_prompt() -> None:
    _, model = run(["\nprint(2 + 2)", "\n\nSo the answer is 4."])
    check_snapshot("hint", model.requests[-1].messages)
