"""Translate the question into first-order logic several times and let a theorem prover answer it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

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
from techniques.stated import Label, state_answer

PROMPT = """\
Translate into first-order logic what the last question below says and asks. Do not answer it. Repeat every sentence \
behind "TEXT:" and write its formula on the next line behind "FOL:". At the end comes a line "Conclusion:" and, below \
it, the one statement that the question asks about, in the same two lines.

A formula is made of predicates such as Dog(x) or Likes(anna, x), names such as anna, variables x, y, z, and the signs \
& (and), | (or), xor (either or), -> (if then), <-> (if and only if), - (not), = and !=, "all x (...)" and \
"exists x (...)". It holds no English sentences. Use the same name for the same thing everywhere, always give a \
predicate the same number of arguments, and add nothing that is not said.

{examples}

Question: {question}
"""

EXAMPLES = """\
Question: Every heron is a bird. Otis is a heron. Is Otis a bird?
Premises:
TEXT: Every heron is a bird.
FOL: all x (Heron(x) -> Bird(x))
TEXT: Otis is a heron.
FOL: Heron(otis)
Conclusion:
TEXT: Otis is a bird.
FOL: Bird(otis)

Question: No bird has fur. Some pets are birds. Do some pets have fur?
Premises:
TEXT: No bird has fur.
FOL: all x (Bird(x) -> -HasFur(x))
TEXT: Some pets are birds.
FOL: exists x (Pet(x) & Bird(x))
Conclusion:
TEXT: Some pets have fur.
FOL: exists x (Pet(x) & HasFur(x))

Question: If the match is called off, Mia stays at home. Mia does not stay at home. Is the match called off?
Premises:
TEXT: If the match is called off, Mia stays at home.
FOL: CalledOff(match) -> StaysHome(mia)
TEXT: Mia does not stay at home.
FOL: -StaysHome(mia)
Conclusion:
TEXT: The match is called off.
FOL: CalledOff(match)

Question: Each guest ordered either tea or coffee, but not both. Ines is a guest. Ines is not Vera. True, false or \
unknown: Vera ordered tea.
Premises:
TEXT: Each guest ordered either tea or coffee, but not both.
FOL: all x (Guest(x) -> (Ordered(x, tea) xor Ordered(x, coffee)))
TEXT: Ines is a guest.
FOL: Guest(ines)
TEXT: Ines is not Vera.
FOL: ines != vera
Conclusion:
TEXT: Vera ordered tea.
FOL: Ordered(vera, tea)

Question: Every fan travels with some team. Does every fan travel with every team?
Premises:
TEXT: Every fan travels with some team.
FOL: all x (Fan(x) -> exists y (Team(y) & TravelsWith(x, y)))
Conclusion:
TEXT: Every fan travels with every team.
FOL: all x (Fan(x) -> all y (Team(y) -> TravelsWith(x, y)))"""

REASONS = """\
Premises:
{premises}

Conclusion:
{conclusion}

{finding}"""

NOTHING_READ = "No translation could be read, so nothing was proved."

LINE = re.compile(r"^[ \t>*_#\d.)-]{0,9}(FOL|conclusion)\b[^:\n]{0,40}:(.*)$", re.IGNORECASE | re.MULTILINE)
DECORATION = " \t\r`*$"
PLACES: dict[Verdict, int] = {"true": 0, "false": 1, "unknown": 2}


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

    A draw that fails and a translation that cannot be read are recorded and do not vote, as in the paper, where errors
    have a label of their own and the majority is taken over the rest. If none votes, the layer fails if every draw
    did, and otherwise candidates of earlier layers stay. Without any, the answer is the third label, with a score of
    0 and recorded as a failure; that is not the paper's, and no finding of the prover.

    Premises that contradict each other prove everything; as in the paper, a proof counts before a refutation, so such a
    translation votes for the first label, which is recorded. So is a vote for the third that only says that the prover
    came to no end within ``seconds``. ``prover`` is Z3 or Prover9; ``auto`` takes Z3 where both are installed. Cost: n
    completions.

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
            return self._undecided(state.with_failures(failures), context)
        answers = [self.labels[PLACES[proofs[item].verdict]] for _, item in votes]
        (answer, count), *_ = Counter(answers).most_common(1)
        number, first = votes[answers.index(answer)]
        text = state_answer(answer, _reasons(first, proofs[first]), context.answers) or answer
        verdict = Candidate(text, f"{context.layer}/{self.model}#{number}", score=count / len(votes))
        return state.with_candidates([verdict]).with_failures(failures)

    def _undecided(self, state: State, context: Context) -> State:
        """What is left where no translation could be read; the failures say why."""
        if state.candidates:
            return state
        text = state_answer(self.labels[2], NOTHING_READ, context.answers) or self.labels[2]
        guess = Candidate(text, f"{context.layer}/{self.model}", score=0.0)
        reason = f"{NOTHING_READ[:-1]}; the answer is the label for that, '{self.labels[2]}'"
        return state.with_candidates([guess]).with_failures([Failure(context.layer, "parse", reason)])

    def plan(self, candidates: int) -> Plan:
        """The translations; what they prove costs nothing."""
        ask = Ask(self.model, draws=self.n, words=self._template, max_tokens=self.max_tokens, makes="candidates")
        return Plan((ask,), 1, max(1, candidates), keeps=True)

    @property
    def _template(self) -> str:
        return render(self.prompt or PROMPT, examples=EXAMPLES if self.examples is None else self.examples)


def parse_translation(reply: str) -> Translation:
    """The formulas of a reply: those behind ``FOL:``, of which the one below ``Conclusion:`` is the conclusion.

    Raises:
        ParseError: There is no premise or not one conclusion, a formula cannot be read, or a name has two meanings.
    """
    premises: list[str] = []
    concluded: list[list[str]] = []
    for match in LINE.finditer(reply):
        if match[1].casefold() == "conclusion":
            concluded.append([])
        else:
            (concluded[-1] if concluded else premises).append(match[2].strip(DECORATION))
    conclusions = [text for texts in concluded for text in texts]
    if len(concluded) > 1 or len(conclusions) != 1 or not premises:
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
