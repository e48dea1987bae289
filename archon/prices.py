"""List prices of hosted models, from the dated snapshot that the package genai-prices carries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version

from archon.architecture import Architecture
from archon.cost import Price
from archon.models.pool import base_url_of
from archon.models.providers import LOCAL, PROVIDERS
from archon.models.spec import ModelSpec

# Where genai-prices calls a provider otherwise.
PROVIDER_NAMES: Mapping[str, str] = {"gemini": "google"}


def with_list_price(spec: ModelSpec) -> ModelSpec:
    """The specification with its list price, if it has none of its own and one is known.

    Local models, endpoints at an address of their own and prices that depend on the length of the prompt have no
    list price: what is not known stays unknown.
    """
    if spec.price is not None or spec.provider == LOCAL or base_url_of(spec) != PROVIDERS[spec.provider].base_url:
        return spec
    price = _listed(spec.provider, spec.model, datetime.now(UTC).date().isoformat())
    return spec if price is None else spec.model_copy(update={"price": price})


def with_list_prices(architecture: Architecture) -> Architecture:
    """The architecture with today's list prices pinned to its models."""
    models = {role: with_list_price(spec) for role, spec in architecture.models.items()}
    return architecture.model_copy(update={"models": models})


@cache
def _listed(provider: str, model: str, date: str) -> Price | None:
    from genai_prices import Usage, calc_price

    try:
        found = calc_price(Usage(), model, provider_id=PROVIDER_NAMES.get(provider, provider)).model_price
    except LookupError:
        return None
    values = {"input": found.input_mtok, "output": found.output_mtok, "cached_input": found.cache_read_mtok}
    if not isinstance(values["input"], Decimal) or not isinstance(values["output"], Decimal):
        return None
    known = {name: float(value) for name, value in values.items() if isinstance(value, Decimal)}
    return Price(**known, date=date, source=f"genai-prices {version('genai-prices')}")
