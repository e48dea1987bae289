"""What a model is: one method, some facts about its endpoint, and the values that go in and out.

Backends (``openai.py``, ``local.py``) and wrappers (``retry.py``, ``limit.py``, ``meter.py``) all implement
:class:`Model`; a wrapper is a model that holds a model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Protocol, Self

from archon.cost import Usage
from archon.state import CANONICAL_JSON, Message


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to draw from a model. ``None`` leaves a parameter to the endpoint's default.

    Attributes:
        temperature: Softmax temperature, 0 for greedy decoding.
        top_p: Nucleus mass.
        max_tokens: The most tokens one completion may have, reasoning included.
        stop: Strings that end a completion; they are not part of its text.
        top_logprobs: How many alternatives per token to report, ``None`` for no log-probabilities.
        extra: Further request fields of this endpoint, sent as they are (``top_k``, ``reasoning_effort`` ...).
        template: Have the endpoint continue the conversation as a text, laid out by the pieces of this chat template
            (:mod:`archon.models.template`), instead of sending it messages.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    template: Mapping[str, str] | None = None
    _settings: Mapping[str, Any] = field(init=False, repr=False, compare=False)
    _text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Settle once what every request says anew."""
        names = [f.name for f in fields(self) if f.init]
        given = {name: value for name in names if (value := getattr(self, name)) not in (None, (), {})}
        object.__setattr__(self, "_settings", given)
        object.__setattr__(self, "_text", CANONICAL_JSON.encode(given))

    def override(self, **settings: Any) -> Self:
        """This sampling with every setting that is not ``None`` replaced."""
        given = {name: value for name, value in settings.items() if value is not None}
        return replace(self, **given) if given else self

    def settings(self) -> Mapping[str, Any]:
        """The parameters that were set, by name, in a stable order."""
        return self._settings

    def text(self) -> str:
        """The same as JSON text, by which the draws of one sampling are told from those of another."""
        return self._text


@dataclass(frozen=True, slots=True)
class Tag:
    """Whom a request is for: bookkeeping that never reaches the endpoint nor changes a draw.

    Attributes:
        question: The task's id.
        order: The task's position in its run; older questions go first where requests queue.
        layer: The path of the layer, such as ``1.rank``.
        technique: The technique's kind.
        run: Which run of the engine, so that two tasks with the same id are accounted apart.
    """

    question: str = ""
    order: int = 0
    layer: str = ""
    technique: str = ""
    run: int = 0


class Listener(Protocol):
    """Hears of a request while it is under way; one that is listened to is streamed where the endpoint can."""

    def token(self, index: int, text: str) -> None:
        """The draw of this index goes on with this text."""
        ...

    def restarted(self) -> None:
        """What was heard of the draws is void: they start over."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """Independent draws of one completion from one model.

    A draw's identity is (model identity, messages, sampling, seed, stream, index): two requests that agree in
    all of these ask for the same sample, and nothing else does.

    Attributes:
        messages: The conversation. If the last message is the assistant's, the model continues it, and the
            completion's text is the continuation alone.
        sampling: How to draw.
        seed: The run's seed.
        stream: Which component of the architecture draws, so that equal components never share a sample.
        indices: The sample indices asked for, one completion each.
        tag: Whom the request is for.
        listener: Hears the completions as they are written; never part of a draw's identity.
        on_sent: Called when the request leaves and no longer waits for its turn.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    seed: int = 0
    stream: str = ""
    indices: tuple[int, ...] = (0,)
    tag: Tag = Tag()
    listener: Listener | None = field(default=None, compare=False, repr=False)
    on_sent: Callable[[], None] | None = field(default=None, compare=False, repr=False)

    def wire_seed(self) -> int:
        """The seed to send for the first index: 31 bits, different for every conversation, stream and index."""
        said = "".join([f"{message.role}\x00{message.content}\x00" for message in self.messages])
        material = f"{said}{self.seed}\x00{self.stream}\x00{self.indices[0]}"
        return int.from_bytes(hashlib.blake2b(material.encode(), digest_size=4).digest(), "big") >> 1


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One generated token, its log-probability and the likeliest alternatives at its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """One sample.

    Attributes:
        text: What the model wrote (the continuation alone if it was asked to continue).
        finish_reason: ``stop``, ``length`` or whatever else the endpoint said.
        usage: The tokens of this sample by itself: the whole prompt and this completion. ``None`` if not known.
        logprobs: Per token, if asked for and supported.
        reasoning: The reasoning text of a reasoning model, if the endpoint shows it.
        seconds: Its share of the time that the endpoint took over the request.
        stop_reason: The stop string that ended it, empty if none did. ``None`` if that is not known.
    """

    text: str
    finish_reason: str = "stop"
    usage: Usage | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    reasoning: str | None = None
    seconds: float = 0.0
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request bought.

    Attributes:
        completions: One per requested index, in order.
        usage: What the endpoint bills for the request; a shared prompt counts once. ``None`` if it did not say.
    """

    completions: tuple[Completion, ...]
    usage: Usage | None

    @property
    def seconds(self) -> float:
        """How long the endpoint took over all of them."""
        return sum([completion.seconds for completion in self.completions])


PrefixSupport = Literal["continues", "echoes", "unsupported"]
PrefixStyle = Literal["plain", "continue_final_message", "message_prefix"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an endpoint really does, as opposed to what it accepts. Learnt by ``archon models probe``.

    Attributes:
        multiple: ``n`` above 1 returns that many independent choices, and they can all be counted.
        recount: Usage counts the tokens of one choice only, and log-probabilities have to count the others.
        seed: A seed is taken and decides the text, up to the rounding of the endpoint's arithmetic.
        stop: Stop strings are honoured.
        stop_reason: The endpoint says which stop string ended a text, and says nothing where none did.
        logprobs: Log-probabilities are returned with their alternatives.
        prefix: What becomes of a trailing assistant message: continued, continued and repeated in the reply, or
            not supported (rejected, ignored or started over).
        prefix_style: How to ask for the continuation: as it is, with vLLM's and SGLang's request fields, or with
            Mistral's and DeepSeek's ``prefix: true`` on the message.
        completions: Texts are continued, over the route for completions.
        template: The model's chat template in pieces, where it is known; by it a conversation becomes such a text.
    """

    multiple: bool = False
    recount: bool = False
    seed: bool = True
    stop: bool = True
    stop_reason: bool = False
    logprobs: bool = True
    prefix: PrefixSupport = "unsupported"
    prefix_style: PrefixStyle = "plain"
    completions: bool = False
    template: Mapping[str, str] | None = None


class Model(Protocol):
    """Anything that completes conversations."""

    @property
    def name(self) -> str:
        """How people call it, such as ``openai/gpt-4o-mini``."""
        ...

    @property
    def identity(self) -> str:
        """What decides the distribution of its samples: endpoint and model name, or the hash of its weights."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What its endpoint supports."""
        ...

    async def complete(self, request: Request) -> Reply:
        """Draw one completion per index of the request; all of them or an error.

        Raises:
            TransientError: A retry may help.
            PermanentError: No retry can help.
        """
        ...

    async def aclose(self) -> None:
        """Release connections, servers and memory."""
        ...
