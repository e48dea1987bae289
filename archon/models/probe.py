"""Learn what an endpoint really does, by asking it small questions once.

Servers accept more than they do: some ignore ``n`` or count the tokens of one choice only, some start over when
asked to continue, some repeat the text they were to continue. A probe finds out and is remembered, so that every
model afterwards behaves alike (see :mod:`archon.models.normalise`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from archon.errors import ModelError
from archon.models.base import Capabilities, Completion, PrefixStyle, Reply, Request, Sampling
from archon.models.openai import OpenAIModel
from archon.paths import cache_dir
from archon.state import Message

COUNT = (Message("user", "Count from 1 to 20. Write the numbers separated by commas and nothing else."),)
STORY = (Message("user", "Write one sentence about something surprising."),)
QUESTION = (Message("user", "Is the sky blue? Answer Yes or No."),)
# Written as no model would write it by itself, so that starting over is not mistaken for repeating it.
PREFIX = "one, 2, THREE, 4,"
# A text without a template: whether one is continued at all can be asked of any model.
BARE = {"user": "{content}\n\n", "assistant": "{content}\n\n", "answer": ""}
STYLES: tuple[PrefixStyle, ...] = ("plain", "continue_final_message", "message_prefix")


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found.

    Attributes:
        capabilities: What the endpoint supports.
        findings: One sentence per question asked, by topic.
    """

    capabilities: Capabilities
    findings: Mapping[str, str]


async def probe(model: OpenAIModel, template: Mapping[str, str] | None = None) -> Probe:
    """Ask an endpoint about a dozen small questions and conclude what it supports.

    Args:
        model: The model.
        template: Its chat template, if that is known; it is remembered with what is found.

    Raises:
        ModelError: It does not answer the simplest of them.
    """
    asked = _Asker(model)
    await asked.must_answer()
    seed, repeats = await asked.seed()
    stop, tells, ends = await asked.stop()
    logprobs, tokens = await asked.logprobs()
    capabilities = Capabilities(seed=seed, stop=stop, stop_reason=tells, logprobs=logprobs)
    capabilities, several = await asked.multiple(capabilities)
    capabilities, continues = await asked.prefix(capabilities)
    capabilities, texts = await asked.completions(capabilities, template)
    findings = {
        "n > 1": several,
        "seed": repeats,
        "stop": ends,
        "logprobs": tokens,
        "continuation": continues,
        "completions": texts,
    }
    return Probe(capabilities, findings)


class _Asker:
    """Puts the questions to one model."""

    def __init__(self, model: OpenAIModel) -> None:
        self._model = model

    async def must_answer(self) -> None:
        await self._model.complete(Request(QUESTION, Sampling(max_tokens=8)))

    async def _ask(self, request: Request, capabilities: Capabilities) -> Reply | ModelError:
        try:
            return await self._model.with_capabilities(capabilities).complete(request)
        except ModelError as error:
            return error

    async def multiple(self, capabilities: Capabilities) -> tuple[Capabilities, str]:
        """Whether three choices come back, differ, and are all counted, or can be."""
        singles = "; single requests are sent instead"
        sampling = Sampling(temperature=1.0, max_tokens=24, top_logprobs=1 if capabilities.logprobs else None)
        reply = await self._ask(Request(STORY, sampling, indices=(0, 1, 2)), Capabilities(multiple=True, seed=False))
        if isinstance(reply, ModelError):
            return capabilities, f"not supported: {reply}"
        if reply.usage is None:
            return capabilities, f"honoured, but the endpoint reports no usage{singles}"
        if len({completion.text for completion in reply.completions}) == 1:
            return capabilities, f"three choices at temperature 1 are all the same{singles}"
        written = sum(map(_tokens, reply.completions))
        if reply.usage.completion >= 0.8 * written:
            return replace(capabilities, multiple=True), "honoured, and every choice is counted"
        undercounted = (
            f"honoured, but usage counts one choice only ({reply.usage.completion} tokens for three choices "
            f"that hold at least {written})"
        )
        if not capabilities.logprobs:
            return capabilities, undercounted + singles
        counted = replace(capabilities, multiple=True, recount=True)
        return counted, undercounted + "; the others are counted by their log-probabilities"

    async def seed(self) -> tuple[bool, str]:
        """Whether the seed decides the text. At temperature 1 no two texts agree by chance."""
        sampling = Sampling(temperature=1.0, max_tokens=24)
        texts = []
        for stream in ("a", "a", "a", "b", "c"):
            reply = await self._ask(Request(STORY, sampling, stream=stream), Capabilities(seed=True))
            if isinstance(reply, ModelError):
                return False, f"not supported: {reply}"
            texts.append(reply.completions[0].text)
        same = len(set(texts[:3]))
        if len(set(texts)) == 1:
            return False, "unclear: every seed gave the same text"
        if same == 3:
            return False, "ignored: the same seed gave three texts"
        return True, "honoured" if same == 1 else "honoured, but not exactly every time"

    async def stop(self) -> tuple[bool, bool, str]:
        """Whether a stop string ends the text and is left out of it, and whether the endpoint says which one it was."""
        sampling = Sampling(temperature=0.0, max_tokens=48, stop=("7",))
        reply = await self._ask(Request(COUNT, sampling), Capabilities())
        if isinstance(reply, ModelError):
            return False, False, f"not supported: {reply}"
        (completion,) = reply.completions
        if "7" in completion.text:
            return False, False, "ignored, or left in the text; cut off on our side instead"
        if completion.stop_reason == "7":
            return True, True, "honoured, and told from a text's own end"
        return True, False, "honoured"

    async def logprobs(self) -> tuple[bool, str]:
        """Whether log-probabilities with alternatives are reported."""
        sampling = Sampling(temperature=0.0, max_tokens=4, top_logprobs=5)
        reply = await self._ask(Request(QUESTION, sampling), Capabilities())
        if isinstance(reply, ModelError):
            return False, f"not supported: {reply}"
        tokens = reply.completions[0].logprobs
        if not tokens:
            return False, "accepted, but none are returned"
        if not tokens[0].top:
            return False, "returned without alternatives"
        return True, f"returned, with {len(tokens[0].top)} alternatives when asked for 5"

    async def prefix(self, capabilities: Capabilities) -> tuple[Capabilities, str]:
        """How a trailing assistant message has to be sent to be continued, and whether it is repeated."""
        sampling = Sampling(temperature=0.0, max_tokens=24)
        request = Request((*COUNT, Message("assistant", PREFIX)), sampling)
        for style in STYLES:
            styled = replace(capabilities, prefix_style=style)
            reply = await self._ask(request, styled)
            if isinstance(reply, ModelError):
                continue
            text = reply.completions[0].text
            how = {"plain": "as it is", "continue_final_message": "with continue_final_message"}.get(
                style, "with prefix: true"
            )
            if text.startswith(PREFIX) and _goes_on(text.removeprefix(PREFIX)):
                return replace(
                    styled, prefix="echoes"
                ), f"continued {how}; the prefix is repeated and cut off on our side"
            if _goes_on(text):
                return replace(styled, prefix="continues"), f"continued {how}"
        return capabilities, "not supported: refused, ignored or started over"

    async def completions(
        self, capabilities: Capabilities, template: Mapping[str, str] | None
    ) -> tuple[Capabilities, str]:
        """Whether texts are continued, and in several ways where messages are answered in several."""
        request = Request(
            (*COUNT, Message("assistant", PREFIX)), Sampling(temperature=0.0, max_tokens=24, template=template or BARE)
        )
        reply = await self._ask(request, capabilities)
        if isinstance(reply, ModelError):
            return capabilities, f"not supported: {reply}"
        if not _goes_on(reply.completions[0].text):
            return capabilities, "not supported: a text is answered, and not continued"
        if capabilities.multiple:
            warm = replace(request.sampling, temperature=1.0)
            reply = await self._ask(replace(request, sampling=warm, indices=(0, 1)), capabilities)
            if isinstance(reply, ModelError):
                return capabilities, f"texts are continued, but not used, since n > 1 is not supported: {reply}"
        found = replace(capabilities, completions=True, template=template)
        if template is None:
            return found, "texts are continued; with the model's chat template, answers can be (`template`)"
        return found, "texts are continued, and so answers are, laid out by the chat template"


def _goes_on(text: str) -> bool:
    return text.strip().lower().startswith(("5", "five"))


def _tokens(completion: Completion) -> int:
    """How many tokens a completion has at least: exactly with log-probabilities, else one per word."""
    return len(completion.logprobs or completion.text.split())


def _cache_file(base_url: str, model: str) -> Path:
    digest = hashlib.blake2b(f"{base_url.rstrip('/')} {model}".encode(), digest_size=12).hexdigest()
    return cache_dir() / "probes" / f"{digest}.json"


def known_capabilities(base_url: str, model: str) -> Capabilities | None:
    """What an earlier probe of this endpoint and model found, if there was one."""
    try:
        return Capabilities(**json.loads(_cache_file(base_url, model).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def remember_capabilities(base_url: str, model: str, capabilities: Capabilities) -> None:
    """Keep what a probe found for later runs."""
    file = _cache_file(base_url, model)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(capabilities)), encoding="utf-8")
