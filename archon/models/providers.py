"""The providers whose names may stand before the slash of ``use: provider/model``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archon.models.catalogue import CATALOGUE
from archon.suggest import unknown


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenAI-compatible API.

    Attributes:
        base_url: The root of the API.
        key_variable: The environment variable that holds its key, ``None`` if it needs none.
        base_url_variable: An environment variable that replaces ``base_url``.
        multiple: Whether ``n`` above 1 is documented to return and bill that many choices.
        seed: Whether it takes a ``seed``.
        max_tokens_field: What it calls the limit on completion tokens.
    """

    base_url: str
    key_variable: str | None = None
    base_url_variable: str | None = None
    multiple: bool = False
    seed: bool = True
    max_tokens_field: str = "max_tokens"


PROVIDERS: Mapping[str, Provider] = {
    "openai": Provider(
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        multiple=True,
        max_tokens_field="max_completion_tokens",
    ),
    "anthropic": Provider("https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", seed=False),
    "deepseek": Provider("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "fireworks": Provider("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", multiple=True),
    "gemini": Provider("https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY", seed=False),
    "groq": Provider("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "mistral": Provider("https://api.mistral.ai/v1", "MISTRAL_API_KEY", seed=False),
    "ollama": Provider("http://127.0.0.1:11434/v1", None, "OLLAMA_BASE_URL"),
    "openrouter": Provider("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "together": Provider("https://api.together.xyz/v1", "TOGETHER_API_KEY", multiple=True),
    "vllm": Provider("http://127.0.0.1:8000/v1", None, "VLLM_BASE_URL", multiple=True),
}

LOCAL = "local"


def check_provider(use: str) -> None:
    """Refuse a ``use`` that nobody serves.

    Raises:
        ValueError: The provider, or the local model, is unknown.
    """
    provider, _, model = use.partition("/")
    if provider not in (*PROVIDERS, LOCAL):
        raise ValueError(unknown("provider", provider, (*PROVIDERS, LOCAL)))
    if provider == LOCAL and not is_file(model) and model not in CATALOGUE:
        raise ValueError(unknown("local model", model, CATALOGUE))


def is_file(model: str) -> bool:
    """Whether a local model is named by the path of its GGUF file."""
    return model.endswith(".gguf")
