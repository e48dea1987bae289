"""One model of an architecture, as the user wrote it."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from archon.cost import Price
from archon.models.base import Sampling
from archon.models.providers import check_provider
from archon.models.template import ChatTemplate

SECRET_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class ModelSpec(BaseModel):
    """One model of an architecture and how to draw from it.

    Attributes:
        use: ``provider/model``, such as ``openai/gpt-4o-mini`` or ``local/qwen2.5-coder-1.5b``.
        base_url: The root of an OpenAI-compatible API, if it is not the provider's own.
        api_key: A reference to an environment variable, ``${NAME}``; never the key itself.
        temperature: Softmax temperature.
        top_p: Nucleus mass.
        max_tokens: The most tokens per completion.
        stop: Strings that end a completion.
        extra: Further request fields of this endpoint, sent as they are.
        template: The model's chat template, by name or in pieces, for techniques that have the endpoint continue texts.
        timeout: Seconds to wait for one reply.
        concurrency: The most requests in flight at this endpoint; fewer while it says that it has too much.
        requests_per_minute: The most requests to this endpoint within any minute.
        tokens_per_minute: The most tokens to and from this endpoint within any minute.
        hedge: Ask a second time when a reply takes longer than this share of the replies so far (0.95 is usual).
        fallback: Models to ask, in this order, when this one fails for good.
        price: What its tokens cost, where that is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    use: str
    base_url: Annotated[str | None, Field(pattern=r"^https?://")] = None
    api_key: str | None = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    stop: tuple[str, ...] = ()
    extra: dict[str, Any] = {}
    template: ChatTemplate | None = None
    timeout: Annotated[float, Field(gt=0)] = 600.0
    concurrency: Annotated[int | None, Field(ge=1)] = None
    requests_per_minute: Annotated[int | None, Field(ge=1)] = None
    tokens_per_minute: Annotated[int | None, Field(ge=1)] = None
    hedge: Annotated[float | None, Field(ge=0.5, lt=1)] = None
    fallback: Annotated[tuple[str, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)] = ()
    price: Price | None = None

    @field_validator("use")
    @classmethod
    def _known_provider(cls, value: str) -> str:
        if not re.fullmatch(r"[^/\s]+/\S+", value):
            raise ValueError("write it as provider/model, such as openai/gpt-4o-mini or local/qwen2.5-coder-1.5b")
        check_provider(value)
        return value

    @field_validator("api_key")
    @classmethod
    def _only_a_reference(cls, value: str | None) -> str | None:
        if value is not None and not SECRET_REFERENCE.fullmatch(value):
            raise PydanticCustomError(
                "secret",
                "name an environment variable, as in $OPENAI_API_KEY in braces; never write the key itself",
            )
        return value

    @property
    def provider(self) -> str:
        """What stands before the slash."""
        return self.use.partition("/")[0]

    @property
    def model(self) -> str:
        """What stands after the slash: the name the endpoint knows."""
        return self.use.partition("/")[2]

    @property
    def sampling(self) -> Sampling:
        """How to draw from this model unless a technique says otherwise."""
        return Sampling(self.temperature, self.top_p, self.max_tokens, self.stop, None, self.extra)
