"""The JSON configurations of the research code that came with the Archon paper.

Source: Saad-Falcon et al. 2024 (arXiv:2409.15254) and its public code. ``docs/importing.md`` holds the mapping; what
has no effect or is done otherwise is said in a remark, and what cannot be honoured is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

from pydantic import ValidationError

from archon.architecture import Architecture
from archon.errors import ConfigError
from archon.importers.roles import Draw, Roles
from archon.importers.values import shown
from archon.suggest import nearest

PROVIDERS: Mapping[str, str] = {
    "Anthropic_API": "anthropic",
    "Google_API": "gemini",
    "Groq_API": "groq",
    "OpenAI_API": "openai",
    "Together_API": "together",
    # Text Generation Inference: a server without a key at an address of its own.
    "tgi": "vllm",
    "vLLM": "vllm",
}
"""Our provider for every ``model_type``."""

TECHNIQUES: Mapping[str, str] = {
    "generator": "generate",
    "fuser": "fuse",
    "ranker": "rank",
    "critic": "critique",
    "verifier": "verify",
    "unit_test_generator": "unit_tests",
    "unit_test_evaluator": "test",
}
"""Our technique for every ``type``."""

COMMON = frozenset({"type", "model", "model_type", "temperature", "max_tokens", "samples", "no_system"})
SETTINGS: Mapping[str, frozenset[str]] = {
    "generator": COMMON,
    "fuser": COMMON | {"length_control"},
    "ranker": COMMON | {"top_k"},
    "critic": COMMON,
    "verifier": COMMON | {"first_k"},
    "unit_test_generator": COMMON | {"unit_test_cap"},
    "unit_test_evaluator": COMMON | {"top_k", "first_k", "first_pass", "remove_unit_tests_from_prompt"},
}
"""The keys that have an effect on every ``type``."""

TESTS = 5
PAIR_RM = "llm-blender/PairRM"
# The research code sends these neither a temperature nor a limit: they take none.
FREE_OF_SETTINGS = frozenset({"o1-preview-2024-09-12", "o1-mini-2024-09-12"})
DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file.

    Attributes:
        architecture: The architecture.
        remarks: What was left out or is done otherwise, one sentence each.
    """

    architecture: Architecture
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Component:
    """One component and its place in the file."""

    place: str
    type: str
    data: Mapping[str, Any]


def is_upstream(data: Any) -> bool:
    """Whether a JSON value is the research code's, and not an architecture of ours that is written in JSON."""
    if not isinstance(data, Mapping) or {"models", "answer", "budget"} & data.keys():
        return False
    layers = data.get("layers")
    parallel = [layer if isinstance(layer, list) else [layer] for layer in layers] if isinstance(layers, list) else []
    return not any(_is_technique(entry) for layer in parallel for entry in layer)


def _is_technique(entry: Any) -> bool:
    """Whether it is written as ``technique`` or ``{technique: settings}``."""
    return isinstance(entry, str) or (
        isinstance(entry, Mapping) and len(entry) == 1 and not {"type", "models"} & entry.keys()
    )


def import_upstream(data: Any, name: str) -> Imported:
    """The architecture that a configuration of the research code describes.

    Args:
        data: The file's JSON value.
        name: The file's path, for errors and to name an architecture without a name.

    Raises:
        ConfigError: It is no such configuration, or a setting cannot be honoured; the message names the place.
    """
    return _Importer(name).run(data)


class _Importer:
    """Reads one file and collects what there is to say about it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._remarks: dict[str, list[str]] = {}

    def run(self, data: Any) -> Imported:
        """The whole file."""
        if not isinstance(data, Mapping):
            raise ConfigError(f"{self._name}: a configuration is an object with the keys name and layers.")
        for key in sorted(data.keys() - {"name", "layers"}):
            self._remark("", f"{shown(key)} has no effect on the answers and is left out")
        title = self._title(data.get("name"))
        layers = self._in_sequence(self._layers(data.get("layers")))
        self._check(layers)
        draws = {component.place: self._draw(component) for layer in layers for component in layer}
        roles = Roles(draws.values())
        parallel = [self._techniques(layer, draws, roles) for layer in layers]
        try:
            architecture = Architecture.model_validate({"name": title, "models": roles.specs, "layers": parallel})
        except ValidationError as error:
            first = error.errors()[0]
            self._refuse(".".join(map(str, first["loc"])), f"the architecture would be wrong: {first['msg']}")
        return Imported(architecture, tuple(self._sentences()))

    def _refuse(self, place: str, problem: str) -> Never:
        raise ConfigError(f"{self._name}: {place}: {problem}.")

    def _remark(self, place: str, sentence: str) -> None:
        self._remarks.setdefault(sentence, []).append(place)

    def _sentences(self) -> Iterator[str]:
        for sentence, (first, *others) in self._remarks.items():
            more = f" and {len(others)} more" if others else ""
            yield f"{self._name}: {first}{more}{': ' if first else ''}{sentence}."

    def _title(self, name: Any) -> str:
        given = Path(self._name).stem if name is None else name
        if not isinstance(given, str):
            self._refuse("name", f"this must be text (given: {shown(given)})")
        title = re.sub(r"[^A-Za-z0-9_.+-]+", "-", given).strip("-") or "imported"
        if name is not None and title != name:
            self._remark("name", f"written as '{title}', since names also serve as file names")
        return title

    def _layers(self, layers: Any) -> list[list[_Component]]:
        if not isinstance(layers, list):
            self._refuse("layers", "there must be a list of layers here")
        found = []
        for index, entry in enumerate(layers):
            layer = list(self._components(entry, f"layers.{index}"))
            if layer:
                found.append(layer)
            else:
                self._remark(f"layers.{index}", "a layer without components is left out")
        if not found:
            self._refuse("layers", "there is no component in it")
        return found

    def _components(self, entry: Any, place: str, depth: int = 0) -> Iterator[_Component]:
        """The components of a layer, of a deprecated one with ``branches``, of either inside another, or one alone."""
        if depth > DEEPEST:
            self._refuse(place, "this is nested too deeply")
        if isinstance(entry, list):
            for index, inner in enumerate(entry):
                yield from self._components(inner, f"{place}.{index}", depth + 1)
        elif isinstance(entry, Mapping) and "models" in entry and "type" not in entry:
            for key in sorted(entry.keys() - {"models"}):
                if (key, entry[key]) != ("branches", 1):
                    self._remark(place, f"{shown(key)} has no effect on a layer and is left out")
            if not isinstance(entry["models"], list):
                self._refuse(f"{place}.models", "there must be a list of components here")
            yield from self._components(entry["models"], f"{place}.models", depth + 1)
        elif isinstance(entry, Mapping):
            yield self._component(entry, place)
        else:
            self._refuse(place, f"a component is an object with the keys type, model and more (given: {shown(entry)})")

    def _component(self, data: Mapping[str, Any], place: str) -> _Component:
        if "type" not in data:
            self._refuse(place, "'type' is missing")
        kind = data["type"]
        if not isinstance(kind, str) or kind not in TECHNIQUES:
            hint = _unknown("component type", kind, TECHNIQUES)
            self._refuse(f"{place}.type", f"{hint}; a component of your own becomes a technique, as the README shows")
        component = _Component(place, kind, data)
        for key in sorted(data.keys() - SETTINGS[kind]):
            if key == "length_contorl":
                self._remark(place, "'length_contorl' is a misspelt length_control without effect and is left out")
            else:
                guess = nearest(key, SETTINGS[kind])
                hint = f" (did you mean '{guess}'?)" if guess and key not in _everything() else ""
                self._remark(place, f"{shown(key)} has no effect on a {kind} and is left out{hint}")
        return component

    def _in_sequence(self, layers: Iterable[list[_Component]]) -> list[list[_Component]]:
        """The layers, with those components in layers of their own that make no candidates."""
        found: list[list[_Component]] = []
        for layer in layers:
            writers = [component.type == "unit_test_generator" for component in layer]
            start = writers.index(False) if False in writers else len(layer)
            end = len(layer) - (writers[::-1].index(False) if False in writers else 0)
            if any(writers[start:end]):
                self._refuse(
                    layer[start + writers[start:end].index(True)].place,
                    "a unit_test_generator between other components shows its tests to some of them only; "
                    "give it a layer of its own",
                )
            rest = layer[start:end]
            critics = [component for component in rest if component.type == "critic"]
            if critics and len(critics) < len(rest):
                self._refuse(
                    critics[0].place,
                    "a critic beside components that make other candidates is not understood by what follows; "
                    "give it a layer of its own",
                )
            if len(critics) > 1:
                self._remark(rest[1].place, "critics of one layer take turns, and each sees the remarks before its own")
            found += [[component] for component in layer[:start]]
            found += [[critic] for critic in critics] or ([rest] if rest else [])
            found += [[component] for component in layer[end:]]
        return found

    def _check(self, layers: Sequence[Sequence[_Component]]) -> None:
        """Refuse what would find nothing to work on."""
        before: set[str] = set()
        for layer in layers:
            for component in layer:
                if component.type not in ("generator", "unit_test_generator") and "generator" not in before:
                    problem = f"a {component.type} works on candidates, and no layer before it makes any"
                    self._refuse(component.place, problem)
                if component.type == "unit_test_evaluator" and "unit_test_generator" not in before:
                    self._refuse(component.place, "there is no unit_test_generator in a layer before it")
                if component.type == "unit_test_generator" and component.type in before:
                    self._remark(component.place, "its tests are added to those there are, not put in their place")
            before.update(component.type for component in layer)
        if "generator" not in before:
            self._refuse("layers", "there is no generator among the components")

    def _draw(self, component: _Component) -> Draw:
        place, data = component.place, component.data
        model, provider = self._text(component, "model"), self._text(component, "model_type")
        if model == PAIR_RM:
            self._refuse(f"{place}.model", f"{PAIR_RM} can only compare two answers; name a chat model to rank with")
        if provider == "Bedrock_API":
            self._refuse(
                f"{place}.model_type",
                "Bedrock is reached by a region and AWS credentials, which the file does not name; import it with "
                "another model_type and give the model your region's OpenAI-compatible endpoint as base_url",
            )
        if provider not in PROVIDERS:
            hint = _unknown("model_type", provider, PROVIDERS)
            self._refuse(f"{place}.model_type", f"{hint}; an endpoint of your own is 'tgi' with its address as model")
        if not model.isprintable() or not re.fullmatch(r"\S+", model):
            self._refuse(f"{place}.model", f"this is not the name of a model (given: {shown(model)})")
        temperature, max_tokens = self._temperature(component), self._count(component, "max_tokens")
        for key in sorted({"temperature", "max_tokens"} - data.keys()):
            self._remark(place, f"'{key}' is missing and left to the endpoint")
        if data.get("no_system"):
            self._remark(place, "'no_system' is left out: no system message is added, and one of the caller's is kept")
        if provider == "OpenAI_API" and model in FREE_OF_SETTINGS:
            self._remark(place, f"'temperature' and 'max_tokens' are left out, since {model} takes none")
            temperature = max_tokens = None
        if provider == "vLLM":
            self._remark(place, f"'vLLM' asks a server that is running already, such as `vllm serve {model}`")
        if provider != "tgi":
            return Draw(f"{PROVIDERS[provider]}/{model}", None, temperature, max_tokens)
        if not re.match(r"https?://.", model):
            self._refuse(f"{place}.model", f"for 'tgi' this must be a web address (given: {shown(model)})")
        return Draw(f"{PROVIDERS[provider]}/tgi", model, temperature, max_tokens)

    def _settings(self, component: _Component) -> dict[str, Any]:
        """The settings of our technique, without the model and how to draw from it."""
        place, data = component.place, component.data
        samples = self._count(component, "samples", default=1)
        if component.type == "generator":
            return {"n": samples}
        if component.type == "fuser":
            return {"n": samples, "length_control": bool(data.get("length_control"))}
        if samples != 1:
            self._remark(place, f"'samples' of a {component.type} above 1 are never read; one is drawn")
        if component.type == "ranker":
            keep = self._count(component, "top_k")
            if keep is None:
                self._refuse(place, "'top_k' is missing; say how many candidates the ranker keeps")
            return {"keep": keep}
        if component.type == "verifier":
            return {"first_k": self._limit(component, "first_k")}
        if component.type == "unit_test_generator":
            count = self._count(component, "unit_test_cap")
            if count is None:
                self._remark(place, f"'unit_test_cap' is not set; {TESTS} tests are asked for")
            return {"n": count or TESTS, "show": True}
        if component.type == "unit_test_evaluator":
            if data.get("remove_unit_tests_from_prompt") is False:
                self._remark(place, "'remove_unit_tests_from_prompt' is left out: the tests are shown once anyway")
            first_k = self._limit(component, "first_k")
            if first_k is None and data.get("first_pass"):
                first_k = 1
            return {"keep": self._count(component, "top_k"), "first_k": first_k}
        return {}

    def _techniques(self, layer: Iterable[_Component], draws: Mapping[str, Draw], roles: Roles) -> list[Any]:
        """One layer of ours; generators that differ in their model alone become one ``generate``."""
        found: list[dict[str, dict[str, Any]]] = []
        for component in layer:
            draw = draws[component.place]
            kind = TECHNIQUES[component.type]
            settings = {**self._settings(component), **roles.overrides(draw)}
            before = found[-1].get(kind) if found and kind == "generate" else None
            if before is not None and before == {**settings, "model": before["model"]}:
                before["model"] = [*before["model"], roles.name(draw)]
            else:
                model = [roles.name(draw)] if kind == "generate" else roles.name(draw)
                found.append({kind: {"model": model, **settings}})
        for technique in found:
            for settings in technique.values():
                if isinstance(settings["model"], list) and len(settings["model"]) == 1:
                    (settings["model"],) = settings["model"]
        return found

    def _text(self, component: _Component, key: str) -> str:
        value = component.data.get(key)
        if key not in component.data:
            self._refuse(component.place, f"'{key}' is missing")
        if not isinstance(value, str):
            self._refuse(f"{component.place}.{key}", f"this must be text (given: {shown(value)})")
        return value

    def _temperature(self, component: _Component) -> float | None:
        value = component.data.get("temperature")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2:
            problem = f"this must be a number from 0 to 2 (given: {shown(value)})"
            self._refuse(f"{component.place}.temperature", problem)
        return float(value)

    def _count(self, component: _Component, key: str, default: int | None = None) -> int | None:
        value = component.data.get(key, default)
        if value is None and default is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            problem = f"this must be a whole number of at least 1 (given: {shown(value)})"
            self._refuse(f"{component.place}.{key}", problem)
        return value

    def _limit(self, component: _Component, key: str) -> int | None:
        """A count that may be 0, which limits nothing."""
        return None if component.data.get(key) == 0 else self._count(component, key)


def _everything() -> frozenset[str]:
    """Every key that has an effect on some component."""
    return frozenset().union(*SETTINGS.values())


def _unknown(what: str, name: Any, known: Iterable[str]) -> str:
    names = sorted(known)
    guess = nearest(name, names) if isinstance(name, str) else None
    hint = f"; did you mean '{guess}'?" if guess else "."
    return f"unknown {what} {shown(name)}{hint} Known: {', '.join(names)}"
