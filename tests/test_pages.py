"""The pages of techniques and rewards: rendered from the code, and true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import BaseModel, Field

from archon import Context, ModelRef, RewardField, Sampled, State, Technique, rewards, techniques
from archon.facts import facts_of, facts_to_data, values_in_words
from archon.kinds import Configuration, ModelRefs
from archon.knobs import IntKnob
from archon.pages import all_pages, page, write_pages
from archon.source import parse_architecture
from techniques.prompts import CandidatesPrompt

DOCS = Path(__file__).resolve().parents[1] / "docs"
KINDS = [*techniques().values(), *rewards().values()]


def test_the_pages_that_are_kept_are_those_that_the_code_renders() -> None:
    kept = {path.relative_to(DOCS): path for kind in ("techniques", "rewards") for path in (DOCS / kind).iterdir()}
    kept[Path("techniques.md")] = DOCS / "techniques.md"
    written = {name: path.read_text(encoding="utf-8") for name, path in kept.items()}
    assert written == all_pages(), "run `archon pages docs` and review the difference"


@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: f"{cls.kinds.what}-{cls.kind}")
def test_every_example_is_an_architecture_with_the_kind_in_it(cls: type[Configuration]) -> None:
    example = facts_of(cls).example
    assert example is not None, (
        f"{cls.__name__} needs settings that nobody can guess: add an `Example:` to its docstring"
    )
    architecture = parse_architecture(example)
    used = [part for _, component in architecture.components() for part in component.everything()]
    assert cls in map(type, used)
    assert set(architecture.models) == set(architecture.specs()), "every model of the example is used"


@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: f"{cls.kinds.what}-{cls.kind}")
def test_every_prompt_that_can_be_replaced_is_shown(cls: type[Configuration]) -> None:
    facts = facts_of(cls)
    replaceable = [setting.name for setting in facts.settings if setting.name.endswith("prompt")]
    assert list(facts.prompts) == replaceable
    for prompt in facts.prompts.values():
        assert prompt.strip() in page(facts)


@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: f"{cls.kinds.what}-{cls.kind}")
def test_every_page_gives_paper_formula_and_settings(cls: type[Configuration]) -> None:
    facts = facts_of(cls)
    rendered = page(facts)
    assert facts.source
    assert cls.calls and f"- **calls:** {cls.calls}\n" in rendered
    assert [name for name in cls.model_fields if f"\n| `{name}` |" not in rendered] == []
    assert "``" not in rendered.replace("```", "")


def test_links_lead_somewhere() -> None:
    pages = {DOCS / path: text for path, text in all_pages().items()}
    pages[DOCS / "rewards.md"] = (DOCS / "rewards.md").read_text(encoding="utf-8")
    links = [(path, target) for path, text in pages.items() for target in re.findall(r"\]\(([\w./-]+\.md)\)", text)]
    assert len(links) > len(KINDS)
    assert [(path, target) for path, target in links if not (path.parent / target).is_file()] == []


def test_writing_changes_what_differs_and_removes_what_is_gone(tmp_path: Path) -> None:
    assert {path.relative_to(tmp_path) for path in write_pages(tmp_path)} == all_pages().keys()
    assert write_pages(tmp_path) == []
    (tmp_path / "techniques" / "rank.md").write_text("old")
    (tmp_path / "rewards" / "gone.md").write_text("old")
    assert write_pages(tmp_path) == [tmp_path / "techniques" / "rank.md", tmp_path / "rewards" / "gone.md"]
    assert not (tmp_path / "rewards" / "gone.md").exists()


PROMPT = """\
Improve {candidates}
with ```code```."""
LAST = "Say it again."
PIECE = " or not"


class Base(Sampled):
    """What several have in common.

    Attributes:
        rounds: How often,
            at most.
    """

    rounds: int = 1

    async def __call__(self, state: State, context: Context) -> State:
        """Change nothing."""
        return state


class Polish(Base, kind="polish-for-pages"):
    """Polish ``every`` candidate.

    As :class:`archon.state.State` says, ``a
    b``.

    - one
    - two

    Source: nobody (arXiv:1234.56789),
    unverified.
    """

    calls: ClassVar[str] = "rounds"
    model: ModelRef
    helpers: ModelRefs
    reward: RewardField
    depth: Annotated[int, Field(ge=1), IntKnob(1, 9, log=True)] = 2
    prompt: CandidatesPrompt = None


class Lost(Technique, kind="lost-for-pages"):
    """Needs what nobody can guess."""

    place: str

    async def __call__(self, state: State, context: Context) -> State:
        """Change nothing."""
        return state


Technique.kinds.forget(Polish.kind)
Technique.kinds.forget(Lost.kind)


def test_a_class_says_it_all() -> None:
    facts = facts_of(Polish)
    assert facts.summary == "Polish `every` candidate."
    assert facts.text == "As `archon.state.State` says, `a b`.\n\n- one\n- two"
    assert (facts.source, facts.papers) == ("nobody (arXiv:1234.56789), unverified.", ("1234.56789",))
    assert (facts.calls, facts.needs) == ("rounds", ("candidates",))
    settings = {setting.name: setting for setting in facts.settings}
    assert list(settings)[:3] == ["model", "helpers", "reward"]
    assert settings["helpers"].takes == "a model or a list of models"
    assert settings["reward"].takes == "a reward"
    assert settings["prompt"].takes == "text with `{question}` and `{candidates}`"
    assert settings["rounds"].meaning == "How often, at most."
    assert facts.knobs["depth"] == IntKnob(1, 9, log=True)
    assert facts.prompts == {"prompt": PROMPT}
    assert facts.words == {"LAST": LAST}
    assert facts.example is not None
    assert (
        "polish-for-pages: {model: judge, helpers: judge, reward: {judge: {model: judge}}, depth: 2}" in facts.example
    )
    rendered = page(facts)
    assert f"````text\n{PROMPT}\n````" in rendered
    assert "[arXiv:1234.56789](https://arxiv.org/abs/1234.56789)" in rendered
    assert "| `depth` | a whole number, at least 1 | `2` | 1 to 9 (log) |" in rendered
    assert "| `temperature` | a number from 0 to 2 | the model's own | 0 to 1.5 |" in rendered
    data = facts_to_data(facts)
    assert data["knobs"]["depth"] == {"kind": "int", "low": 1, "high": 9, "log": True}
    assert data["settings"]["model"] == {"takes": "a model", "required": True}
    assert data["settings"]["depth"] == {"takes": "a whole number, at least 1", "required": False, "default": 2}


def test_nothing_is_made_up_where_nobody_can_guess() -> None:
    facts = facts_of(Lost)
    assert facts.example is None
    assert "## Example" not in page(facts)
    assert (facts.calls, facts.source) == ("", "")
    assert "- **calls:** not known" in page(facts)
    assert "**source:**" not in page(facts)


class Values(BaseModel):
    plain: str
    either: bool
    one: Literal["a", "b", "c"]
    mixed: Literal["a", "b"] | Literal["c"] | None
    above: Annotated[float, Field(gt=0, le=1)]
    few: Annotated[int, Field(le=5)]
    weights: tuple[Annotated[float, Field(gt=0)], ...] | None
    numbers: list[Annotated[int, Field(ge=1, le=4)]]
    rewards: tuple[RewardField, ...]
    form: Annotated[str, Field(pattern="^a|b$")]
    table: dict[str, int]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("plain", "text"),
        ("either", "`true` or `false`"),
        ("one", "`a`, `b` or `c`"),
        ("mixed", "`a`, `b` or `c`"),
        ("above", "a number above 0, at most 1"),
        ("few", "a whole number, at most 5"),
        ("weights", "a list of numbers above 0"),
        ("numbers", "a list of whole numbers from 1 to 4"),
        ("rewards", "a list of rewards"),
        ("form", "text that matches `^a|b$`"),
        ("table", "anything"),
    ],
)
def test_values_in_words(name: str, words: str) -> None:
    assert values_in_words(Values.model_json_schema()["properties"][name]) == words
