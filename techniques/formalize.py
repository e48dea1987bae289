"""Translate the question into first-order logic several times and let a theorem prover answer it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from archon.concurrency import gather
from archon.errors import ConfigError, ModelError, ParseError
from archon.knobs import IntKnob
from archon.models.base import Completion
from archon.state import Candidate, Failure, State
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.logic.parsing import parse_formula
from techniques.logic.provers import Proofs, ProverName, Verdict, decide, find_prover
from techniques.logic.syntax import Formula, check_symbols
from techniques.prompts import as_shown, conversation, render, requires
from techniques.stated import state_answer

PROMPT = """\
Below is a question that states premises and asks whether a conclusion follows from them. Do not answer it. Translate \
every premise and the conclusion into first-order logic.

Formulas are made of predicates such as Dog(x) or Likes(anna, x), constants such as anna, variables x, y and z, = and \
!=, the connectives & (and), | (or), xor (either or), -> (if then), <-> (if and only if), - (not), and the quantifiers \
"all x" and "exists x", with parentheses around what they range over. Translate what is said and add nothing. One name \
stands for one thing throughout, a predicate always has the same number of arguments, and every variable has a \
quantifier.

{examples}

Question:
{question}

Write each sentence and, below it, its formula, in the form of the examples: "Premise:" before the formula of a \
premise, and at the end "Conclusion:", once, before that of the conclusion."""

EXAMPLES = """\
Example 1:
Every heron is a bird. No bird has fur. Otis is a heron. Does it follow that Otis has no fur?

Sentence: Every heron is a bird.
Premise: all x (Heron(x) -> Bird(x))
Sentence: No bird has fur.
Premise: all x (Bird(x) -> -HasFur(x))
Sentence: Otis is a heron.
Premise: Heron(otis)
Sentence: Otis has no fur.
Conclusion: -HasFur(otis)

Example 2:
If it rains or snows, the match is called off. Some fans who own an umbrella travel with every team. The match is not \
called off. True, false or unknown: It snows.

Sentence: If it rains or snows, the match is called off.
Premise: (Rains | Snows) -> CalledOff(match)
Sentence: Some fans who own an umbrella travel with every team.
Premise: exists x (Fan(x) & OwnsUmbrella(x) & all y (Team(y) -> TravelsWith(x, y)))
Sentence: The match is not called off.
Premise: -CalledOff(match)
Sentence: It snows.
Conclusion: Snows

Example 3:
Each guest ordered either tea or coffee, but not both. Ines is a guest. Ines is not Vera. Is it true that Vera ordered \
tea?

Sentence: Each guest ordered either tea or coffee, but not both.
Premise: all x (Guest(x) -> (Ordered(x, tea) xor Ordered(x, coffee)))
Sentence: Ines is a guest.
Premise: Guest(ines)
Sentence: Ines is not Vera.
Premise: ines != vera
Sentence: Vera ordered tea.
Conclusion: Ordered(vera, tea)"""

REASONS = """\
Premises:
{premises}

Conclusion:
{conclusion}

{finding}"""

LINE = re.compile(r"^[ \t>*_\d.)-]{0,9}(premise|conclusion)\b[^:\n]{0,40}:(.*)$", re.IGNORECASE | re.MULTILINE)
DECORATION = " \t\r`*$"
PLACES: dict[Verdict, int] = {"true": 0, "false": 1, "unknown": 2}


def _as_word(value: Any) -> Any:
    """YAML reads the most natural labels as truth values."""
    return str(value) if isinstance(value, bool) else value


Label = Annotated[str, Field(min_length=1), BeforeValidator(_as_word, json_schema_input_type=str | bool)]


@dataclass(frozen=True, slots=True)
class Translation:
    """What a reply makes of the question."""

    premises: tuple[Formula, ...]
    conclusion: Formula


class Formalize(Sampled, kind="formalize"):
    """Translate the question into first-order logic several times and let a theorem prover answer it.

    For questions that give premises and ask whether a conclusion follows. The model translates both ``n`` times, and
    the prover decides each translation: the conclusion can be proved, its negation can, or neither. The verdict of
    most translations becomes the only candidate, in words that the architecture's answer format finds, below the
    formulas where that leaves room for them; its score is the verdict's share of the votes, and between equal ones
    the earlier decides. ``labels`` are the answers for the three cases; two may be the same, as where what cannot be
    proved is false.

    A draw that fails and a translation that cannot be read are recorded and do not vote; if none votes, candidates of
    earlier layers stay, and the layer fails if every draw did. Premises that contradict each other prove everything;
    as in the paper, a proof counts before a refutation, so such a translation votes for the first label, which is
    recorded. So is a vote for the third that only says that the prover came to no end within ``seconds``. ``prover``
    is Z3 or Prover9; ``auto`` takes Z3 where both are installed. Cost: n completions.

    Source: Olausson et al. 2023 (LINC, arXiv:2310.15164), there with ten translations and Prover9. That the paper
    looks for a proof first and how it settles ties was not checked against its code.
    """

    calls: ClassVar[str] = "n"
    needs_candidates: ClassVar[bool] = False

    model: ModelRef
    n: Annotated[int, Field(ge=1), IntKnob(1, 16)] = 10
    prover: ProverName = "auto"
    seconds: Annotated[float, Field(gt=0, le=600)] = 5.0
    labels: tuple[Label, Label, Label] = ("True", "False", "Unknown")
    examples: str | None = None
    prompt: Annotated[str | None, requires("question")] = None

    async def __call__(self, state: State, context: Context) -> State:
        """Replace the candidates by the verdict of most translations.

        Raises:
            ConfigError: There is no prover, or the answer format cannot find a label.
            ModelError: Every draw failed.
        """
        prover = find_prover(self.prover, self.seconds)
        for label in self.labels:
            if state_answer(label, "", context.answers) is None:
                raise ConfigError(
                    f"{context.layer}: the answer format {context.answers.kind} does not find the label '{label}'; "
                    "name three labels that it finds."
                )
        prompt = render(self._template, question=as_shown(state).question)
        outcomes = await context.attempt(self.model, conversation(state.task, prompt), n=self.n, **self.overrides)
        read = [_read(outcome) for outcome in outcomes]
        distinct = list(dict.fromkeys(item for item in read if isinstance(item, Translation)))
        decided = await gather(decide(item.premises, item.conclusion, prover) for item in distinct)
        proofs = dict(zip(distinct, decided, strict=True))
        failures = [
            failure
            for number, item in enumerate(read, start=1)
            if (failure := _missing(item, proofs, f"translation {number}", context.layer))
        ]
        votes = [(number, item) for number, item in enumerate(read) if isinstance(item, Translation)]
        if not votes:
            errors = [item for item in read if isinstance(item, ModelError)]
            if len(errors) == len(read):
                raise errors[0]
            return state.with_failures(failures)
        answers = [self.labels[PLACES[proofs[item].verdict]] for _, item in votes]
        (answer, count), *_ = Counter(answers).most_common(1)
        number, first = votes[answers.index(answer)]
        text = state_answer(answer, _reasons(first, proofs[first]), context.answers) or answer
        verdict = Candidate(text, f"{context.layer}/{self.model}#{number}", score=count / len(votes))
        return state.with_candidates([verdict]).with_failures(failures)

    def plan(self, candidates: int) -> Plan:
        """The translations; what they prove costs nothing."""
        ask = Ask(self.model, draws=self.n, words=self._template, max_tokens=self.max_tokens, makes="candidates")
        return Plan((ask,), 1, max(1, candidates), keeps=True)

    @property
    def _template(self) -> str:
        return render(self.prompt or PROMPT, examples=EXAMPLES if self.examples is None else self.examples)


def parse_translation(reply: str) -> Translation:
    """The formulas of a reply: those behind ``Premise:`` and the one behind ``Conclusion:``.

    Raises:
        ParseError: There is no premise or not one conclusion, a formula cannot be read, or a name has two meanings.
    """
    lines = [(match[1].lower(), match[2].strip(DECORATION)) for match in LINE.finditer(reply)]
    conclusions = [text for name, text in lines if name == "conclusion"]
    premises = [text for name, text in lines if name == "premise"]
    if len(conclusions) != 1 or not premises:
        raise ParseError(f"expected premises and one conclusion, got {len(premises)} and {len(conclusions)}")
    translation = Translation(tuple(map(parse_formula, premises)), parse_formula(conclusions[0]))
    check_symbols([*translation.premises, translation.conclusion])
    return translation


def _read(outcome: Completion | ModelError) -> Translation | ParseError | ModelError:
    if isinstance(outcome, ModelError):
        return outcome
    try:
        return parse_translation(outcome.text)
    except ParseError as error:
        return error


def _missing(
    item: Translation | ParseError | ModelError, proofs: dict[Translation, Proofs], name: str, layer: str
) -> Failure | None:
    """What is wrong with a draw, a translation or its proofs, if anything is."""
    if isinstance(item, ModelError):
        return Failure.of(layer, item)
    if isinstance(item, ParseError):
        return Failure(layer, "parse", f"{name}: {item}")
    return Failure(layer, "parse", f"{name}: {proofs[item].finding}") if proofs[item].doubtful else None


def _reasons(translation: Translation, proofs: Proofs) -> str:
    premises = "\n".join(map(str, translation.premises))
    return render(REASONS, premises=premises, conclusion=str(translation.conclusion), finding=proofs.finding)
