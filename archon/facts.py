"""What a kind of technique or reward says about itself: the one source of listings, pages and schemas.

Everything is read off the class: its docstring, its settings with their validation and knobs, the prompts beside it.
A docstring is a summary, paragraphs, and sections: ``Attributes:`` explains settings, where the paragraphs do not,
``Example:`` holds YAML (a technique's layers, or a reward with its settings), where the example that can be made up
from the settings would not do, and ``Source:`` names the paper.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from textwrap import dedent
from typing import Any

from pydantic_core import PydanticUndefined, to_jsonable_python

from archon.example import example_of
from archon.kinds import Configuration, Overrides, Registry
from archon.knobs import ChoiceKnob, Knob, knob_to_data, knobs_of

SECTION = re.compile(r"^(Attributes|Example):\n((?:[ ]{4}.*(?:\n|\Z)|\n)+)", re.MULTILINE)
ENTRY = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)
# Patterns and parts of sentences are constants too.
SENTENCE = re.compile(r"[A-Z]\S* |.*\n", re.DOTALL)
ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a kind.

    Attributes:
        name: Its key in YAML.
        takes: The values it takes, in words.
        meaning: What it is for, where the docstring has an entry of its own for it.
        required: Whether it has to be given.
        default: What it is otherwise, as a JSON value.
        knob: How a search may vary it, if it may.
    """

    name: str
    takes: str
    meaning: str
    required: bool
    default: Any
    knob: Knob | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to say about a kind.

    Attributes:
        family: ``technique`` or ``reward``.
        kind: Its name in YAML.
        summary: What it does, in a sentence.
        text: The paragraphs on how it does that, in Markdown.
        source: The papers it comes from, with remarks.
        papers: Their numbers on arXiv.
        calls: How many completions it asks for, as a formula for people; empty if it does not say.
        needs: What an earlier layer has to make: ``candidates``, ``unit_tests``, both or nothing.
        settings: Its settings, the required ones first.
        prompts: The built-in prompts, by the setting that replaces them.
        words: What else it says to models, by the name in its module.
        example: An architecture in YAML with it inside; ``None`` if none could be made up and it gives none.
    """

    family: str
    kind: str
    summary: str
    text: str
    source: str
    papers: tuple[str, ...]
    calls: str
    needs: tuple[str, ...]
    settings: tuple[Setting, ...]
    prompts: Mapping[str, str]
    words: Mapping[str, str]
    example: str | None

    @property
    def knobs(self) -> dict[str, Knob]:
        """How a search may vary its settings."""
        return {setting.name: setting.knob for setting in self.settings if setting.knob is not None}


def facts_of(cls: type[Configuration]) -> Facts:
    """What a kind says about itself. A pure function of the class and its module."""
    doc = inspect.getdoc(cls) or ""
    summary, *paragraphs = (part.strip() for part in SECTION.sub("", doc).split("\n\n"))
    source = next((part for part in paragraphs if part.startswith("Source:")), "")
    settings = _settings(cls)
    prompts, words = _prompts(cls, settings)
    needs = {
        "candidates": getattr(cls, "needs_candidates", False),
        "unit_tests": cls.needs_unit_tests,
    }
    return Facts(
        family=cls.kinds.what,
        kind=cls.kind,
        summary=_markdown(_one_line(summary)),
        text=_markdown("\n\n".join(part for part in paragraphs if part and part != source)),
        source=_markdown(_one_line(source.removeprefix("Source:"))),
        papers=tuple(dict.fromkeys(ARXIV.findall(_one_line(source)))),
        calls=cls.calls,
        needs=tuple(name for name, needed in needs.items() if needed),
        settings=settings,
        prompts=prompts,
        words=words,
        example=example_of(cls, sections(cls).get("Example", "")),
    )


def all_facts(family: Registry[Any]) -> list[Facts]:
    """The facts of every kind of a family, by kind."""
    return [facts_of(cls) for cls in family.all().values()]


def facts_to_data(facts: Facts) -> dict[str, Any]:
    """Facts as JSON values."""
    settings = {
        setting.name: {
            "takes": setting.takes,
            **({"meaning": setting.meaning} if setting.meaning else {}),
            "required": setting.required,
            **({} if setting.required else {"default": setting.default}),
        }
        for setting in facts.settings
    }
    data = {name: value for name, value in asdict(facts).items() if name not in ("settings", "calls")}
    return {
        **to_jsonable_python(data),
        "calls": facts.calls or None,
        "settings": settings,
        "knobs": {name: knob_to_data(knob) for name, knob in facts.knobs.items()},
    }


def knob_in_words(knob: Knob) -> str:
    """What a search may set, in words."""
    if isinstance(knob, ChoiceKnob):
        return ", ".join(map(str, knob.choices))
    return f"{knob.low:g} to {knob.high:g}" + (" (log)" if knob.log else "")


def sections(cls: type[Configuration]) -> dict[str, str]:
    """The sections of a class's own docstring, by heading."""
    doc = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    return {match[1]: dedent(match[2]).strip() for match in SECTION.finditer(doc)}


def _settings(cls: type[Configuration]) -> tuple[Setting, ...]:
    properties = cls.model_json_schema()["properties"] if cls.model_fields else {}
    knobs, meanings = knobs_of(cls), _meanings(cls)
    found = [
        Setting(
            name,
            values_in_words(properties[name]),
            meanings.get(name, ""),
            info.is_required(),
            None if info.default is PydanticUndefined else to_jsonable_python(info.default),
            knobs.get(name),
        )
        for name, info in cls.model_fields.items()
    ]
    # What every technique that samples has in common tells least about it.
    return tuple(sorted(found, key=lambda setting: (setting.name in Overrides.model_fields, not setting.required)))


def _meanings(cls: type[Configuration]) -> dict[str, str]:
    """What docstrings say of settings, those of the class before those of its bases."""
    found: dict[str, str] = {}
    for owner in reversed(cls.__mro__):
        doc = inspect.cleandoc(owner.__dict__.get("__doc__") or "")
        for match in SECTION.finditer(doc):
            if match[1] == "Attributes":
                found |= {name: _markdown(_one_line(text)) for name, text in ENTRY.findall(match[2])}
    return found


def _prompts(cls: type[Configuration], settings: tuple[Setting, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """The built-in prompts by setting, and what else is said in the class's module.

    By convention a setting ``plan_prompt`` that is not given stands for the constant ``PLAN`` of the class's module, or
    of the module of the base that has the setting, and a setting ``prompt`` for ``PROMPT``.
    """
    constants = _constants(cls)
    inherited = {name: text for base in reversed(cls.__mro__) for name, text in _constants(base).items()}
    prompts = {
        setting.name: inherited[constant]
        for setting in settings
        if re.fullmatch(r"(\w+_)?prompt", setting.name)
        and (constant := setting.name.removesuffix("_prompt").upper()) in inherited
    }
    shown = {*prompts.values(), *(setting.default for setting in settings if isinstance(setting.default, str))}
    return prompts, {name: text for name, text in constants.items() if SENTENCE.match(text) and text not in shown}


def _constants(cls: type) -> dict[str, str]:
    """The texts among the constants of a class's module."""
    names = vars(sys.modules[cls.__module__])
    return {name: text for name, text in names.items() if name.isupper() and isinstance(text, str)}


def values_in_words(schema: Mapping[str, Any]) -> str:
    """The values that a JSON Schema of a setting allows, but for none at all."""
    return _listed(_values(schema), "or")


def _values(schema: Mapping[str, Any]) -> list[str]:
    if "anyOf" in schema:
        parts = [part for option in schema["anyOf"] if option.get("type") != "null" for part in _values(option)]
        return list(dict.fromkeys(parts))
    if "$ref" in schema:
        return [f"a {schema['$ref'].rpartition('/')[2].lower()}"]
    if "enum" in schema:
        return [_quoted(value) for value in schema["enum"]]
    if "const" in schema:
        return [_quoted(schema["const"])]
    match schema.get("type"):
        case "integer":
            return [f"a whole number{_bounds(schema)}"]
        case "number":
            return [f"a number{_bounds(schema)}"]
        case "boolean":
            return ["`true`", "`false`"]
        case "array":
            each = values_in_words(schema.get("items", {}))
            return ["a list of " + re.sub(r"^(?:a )?((?:whole )?\w+)", r"\1s", each)]
        case "string" if schema.get("x-model"):
            return ["a model"]
        case "string":
            return ["text" + _form(schema)]
        case _:
            return ["anything"]


def _bounds(schema: Mapping[str, Any]) -> str:
    low, high, above = (schema.get(key) for key in ("minimum", "maximum", "exclusiveMinimum"))
    if low is not None:
        return f" from {low:g} to {high:g}" if high is not None else f", at least {low:g}"
    if above is not None:
        return f" above {above:g}" + (f", at most {high:g}" if high is not None else "")
    return f", at most {high:g}" if high is not None else ""


def _form(schema: Mapping[str, Any]) -> str:
    if places := schema.get("x-places"):
        return " with " + _listed([f"`{{{place}}}`" for place in places], "and")
    return f" that matches `{schema['pattern']}`" if "pattern" in schema else ""


def _listed(parts: Sequence[str], last: str) -> str:
    return f" {last} ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _quoted(value: Any) -> str:
    return f"`{value}`"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _markdown(text: str) -> str:
    """A docstring's text as Markdown: names of code stand in single backticks, roles go."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"``\1``", text)
    return re.sub(r"``(.+?)``", lambda match: f"`{_one_line(match[1])}`", text, flags=re.DOTALL)
