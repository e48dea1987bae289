"""Pages of documentation in Markdown, one per technique and reward, rendered from what their classes say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from archon.facts import ARXIV, Facts, Setting, all_facts, knob_in_words
from archon.kinds import Overrides
from archon.reward import Reward
from archon.technique import Technique

RENDERED = "<!-- Rendered from the code by `archon pages`: change the docstring or the settings, not this file. -->"
NEEDS = {"candidates": "candidates of an earlier layer", "unit_tests": "unit tests of an earlier layer"}
INDEX = """\
# Techniques

A technique is a layer of an [architecture](architectures.md). *Calls* are completions per question; where a technique
works on candidates, they are those that the layer before left. `archon techniques KIND` shows a page in the terminal,
`archon techniques --json` holds all of them for programs.

The pages are rendered from the code by `archon pages docs`. A docstring makes one: a summary, paragraphs, `Source:`,
and, where needed, `Attributes:` for settings that do not explain themselves and `Example:` for layers that nobody could
guess. What the settings take, their search ranges and the built-in prompts are read off the class and its module.
"""


def all_pages() -> dict[Path, str]:
    """Every page there is, by its path inside the folder of the documentation."""
    techniques, rewards = all_facts(Technique.kinds), all_facts(Reward.kinds)
    pages = {Path("techniques.md"): index(techniques, "techniques")}
    pages |= {Path("techniques", f"{facts.kind}.md"): page(facts) for facts in techniques}
    return pages | {Path("rewards", f"{facts.kind}.md"): page(facts) for facts in rewards}


def write_pages(folder: Path) -> list[Path]:
    """Write every page below a folder, and remove those of kinds that are gone.

    Returns:
        The files that changed.
    """
    pages = {folder / path: text for path, text in all_pages().items()}
    stale = [path for kind in ("techniques", "rewards") for path in (folder / kind).glob("*.md") if path not in pages]
    for path in stale:
        path.unlink()
    changed = [path for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages[path], encoding="utf-8")
    return [*changed, *stale]


def page(facts: Facts) -> str:
    """One kind's page."""
    return "\n\n".join([RENDERED, *_parts(facts)]) + "\n"


def page_text(facts: Facts) -> str:
    """One kind's page without what only a file among others needs."""
    return "\n\n".join(_parts(facts)[:-1])


def index(kinds: Iterable[Facts], folder: str) -> str:
    """The table of all kinds."""
    rows = [
        (
            f"[`{facts.kind}`]({folder}/{facts.kind}.md)",
            facts.summary,
            facts.calls or "not known",
            _linked(facts.source),
        )
        for facts in kinds
    ]
    return "\n".join([RENDERED, "", INDEX, *_table(("technique", "what it does", "calls", "source"), rows)]) + "\n"


def _parts(facts: Facts) -> list[str]:
    rows = [
        ("calls", facts.calls or "not known"),
        ("needs", " and ".join(NEEDS[need] for need in facts.needs)),
        ("source", _linked(facts.source)),
    ]
    parts = [
        f"# {facts.kind}",
        facts.summary,
        facts.text,
        "\n".join(f"- **{name}:** {text}" for name, text in rows if text),
    ]
    if facts.example is not None:
        parts += ["## Example", _fenced(facts.example, "yaml")]
    if facts.settings:
        parts += ["## Settings", "\n".join(_table(*_settings(facts)))]
    given = {**facts.prompts, **{s.name: s.default for s in facts.settings if _is_long(s.default)}}
    if given or facts.words:
        parts += ["## Prompts"]
        for name, text in given.items():
            parts += [f"`{name}`, unless the settings give another:", _fenced(text, "text")]
        for name, text in facts.words.items():
            parts += [f"`{name}`, which no setting replaces:", _fenced(text, "text")]
    overview = "techniques" if facts.family == "technique" else "rewards"
    links = [f"All [{overview}](../{overview}.md)", "how [architectures](../architectures.md) are written"]
    return [*(part for part in parts if part), "; ".join(links) + "."]


def _settings(facts: Facts) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    searched = bool(facts.knobs)
    heads = ("setting", "takes", "default", *(["search"] if searched else []))
    rows = []
    for setting in facts.settings:
        takes = f"{setting.takes}. {setting.meaning}" if setting.meaning else setting.takes
        knob = "" if setting.knob is None else knob_in_words(setting.knob)
        rows.append((f"`{setting.name}`", takes, _default(setting, facts.prompts), *([knob] if searched else [])))
    return heads, rows


def _default(setting: Setting, prompts: Mapping[str, str]) -> str:
    if setting.required:
        return "required"
    if setting.name in prompts or _is_long(setting.default):
        return "the one below"
    if setting.default is None:
        return "the model's own" if setting.name in Overrides.model_fields else "none"
    return f"`{json.dumps(setting.default, ensure_ascii=False)}`"


def _is_long(default: object) -> bool:
    return isinstance(default, str) and "\n" in default.strip()


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _linked(source: str) -> str:
    return ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", source)


def _fenced(text: str, language: str) -> str:
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`{3,}", text)), 3)
    return f"{fence}{language}\n{text.strip(chr(10))}\n{fence}"
