"""The verifiable instructions of IFEval: whether a text follows one, decided without a model.

Source: Zhou et al. 2023 (Instruction-Following Evaluation for Large Language Models, arXiv:2311.07911). The conditions
are those of its published evaluator, in code of our own, with these differences: keywords are literal rather than
regular expressions, and sentences and words in capitals are found by rules of our own, not by NLTK's models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from archon.errors import ConfigError

Arguments = Mapping[str, Any]
Check = Callable[[str, Arguments], bool]

CONSTRAINED = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
# A full stop after these ends no sentence.
ABBREVIATIONS = re.compile(
    r"mr|mrs|ms|dr|prof|st|jr|sr|vs|e\.g|i\.e|etc|inc|ltd|co|no|vol|fig|al|approx"
    r"|dept|est|gen|gov|hon|rev|sen|rep|u\.s|u\.k|a\.m|p\.m|ph\.d|p\.s|p\.p\.s|[a-z]"
)
_SENTENCE_END = re.compile(r"[.!?。！？]+[\"'”’)\]*]*(?=\s|\Z)")
_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"\w+(?:[-'’.]\w+)*")


def count_sentences(text: str) -> int:
    """How many sentences a text has: what ends in a full stop, a question mark, an exclamation mark, or its end."""
    count, start = 0, 0
    for match in _SENTENCE_END.finditer(text):
        words = text[start : match.start()].split()
        last = words[-1].lower().lstrip("(\"'“‘*[") if words else ""
        # "3." at the start of a line numbers an item, and "J. Smith" is one name.
        goes_on = ABBREVIATIONS.fullmatch(last) or _numbers(text, start, match)
        short = match[0] == "." and goes_on and match.end() < len(text.rstrip())
        if _WORD.search(text[start : match.start()]) and not short:
            count, start = count + 1, match.end()
    return count + bool(_WORD.search(text[start:]))


def _numbers(text: str, start: int, match: re.Match[str]) -> bool:
    line = text[max(start, text.rfind("\n", 0, match.start()) + 1) : match.start()].strip()
    return bool(re.fullmatch(r"[0-9]{1,3}", line))


def language_of(text: str) -> str | None:
    """The language of a text as langdetect names it; ``None`` if it cannot tell. The same text gives the same answer.

    Raises:
        ConfigError: langdetect is not installed.
    """
    try:
        import langdetect
    except ImportError:
        raise ConfigError("Checking a language needs langdetect: pip install 'archon-inference[evals]'.") from None
    # It draws at random which parts of a text it looks at.
    langdetect.DetectorFactory.seed = 0
    try:
        return str(langdetect.detect(text))
    except langdetect.LangDetectException:
        return None


def _compare(count: int, relation: str, number: int) -> bool:
    if relation == "less than":
        return count < number
    if relation == "at least":
        return count >= number
    raise ConfigError(f"The relation of an instruction is 'less than' or 'at least', not {relation!r}.")


def _occurrences(word: str, text: str) -> int:
    return len(re.findall(re.escape(word.strip()), text, re.IGNORECASE))


def _is_language(text: str, language: str) -> bool:
    # As in the published evaluator, a text without a recognisable language, such as one of capitals, passes.
    found = language_of(text)
    return found is None or found == language


def _keywords(text: str, given: Arguments) -> bool:
    return all(_occurrences(word, text) for word in given["keywords"])


def _keyword_frequency(text: str, given: Arguments) -> bool:
    return _compare(_occurrences(given["keyword"], text), given["relation"], given["frequency"])


def _no_forbidden_word(text: str, given: Arguments) -> bool:
    words = (rf"(?<!\w){re.escape(word.strip())}(?!\w)" for word in given["forbidden_words"])
    return not any(re.search(word, text, re.IGNORECASE) for word in words)


def _letter_frequency(text: str, given: Arguments) -> bool:
    count = text.lower().count(given["letter"].strip().lower())
    return _compare(count, given["let_relation"], given["let_frequency"])


def _sentences(text: str, given: Arguments) -> bool:
    return _compare(count_sentences(text), given["relation"], given["num_sentences"])


def _words(text: str, given: Arguments) -> bool:
    return _compare(len(_WORD.findall(text)), given["relation"], given["num_words"])


def _paragraphs(text: str, given: Arguments) -> bool:
    parts = [part.strip() for part in re.split(r"\s?\*\*\*\s?", text)]
    # A divider may also stand above the first paragraph and below the last.
    parts = parts[1:] if len(parts) > 1 and not parts[0] else parts
    parts = parts[:-1] if parts and not parts[-1] else parts
    return bool(all(parts) and len(parts) == given["num_paragraphs"])


def _nth_paragraph(text: str, given: Arguments) -> bool:
    parts = text.split("\n\n")
    filled = sum(bool(part.strip()) for part in parts)
    place = given["nth_paragraph"]
    words = parts[place - 1].split() if 1 <= place <= filled else []
    first = re.split(r"[.,?!'\"]", words[0].lstrip("'").lstrip('"'))[0].lower() if words else None
    return bool(filled == given["num_paragraphs"] and first == given["first_word"].lower())


def _placeholders(text: str, given: Arguments) -> bool:
    return bool(len(re.findall(r"\[.*?\]", text)) >= given["num_placeholders"])


def _postscript(text: str, given: Arguments) -> bool:
    marker = given["postscript_marker"].strip()
    patterns = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return bool(re.search(patterns.get(marker, re.escape(marker.lower())), text.lower()))


def _bullets(text: str, given: Arguments) -> bool:
    stars = re.findall(r"^\s*\*[^*].*$", text, re.MULTILINE)
    dashes = re.findall(r"^\s*-.*$", text, re.MULTILINE)
    return bool(len(stars) + len(dashes) == given["num_bullets"])


def _constrained(text: str, given: Arguments) -> bool:
    return any(option in text for option in CONSTRAINED)


def _highlights(text: str, given: Arguments) -> bool:
    once = [part for part in re.findall(r"\*[^\n*]*\*", text) if part.strip("*").strip()]
    twice = [part for part in re.findall(r"\*\*[^\n*]*\*\*", text) if part.strip("*").strip()]
    return bool(len(once) + len(twice) >= given["num_highlights"])


def _sections(text: str, given: Arguments) -> bool:
    found = re.findall(rf"{re.escape(given['section_spliter'].strip())}\s?\d+", text)
    return bool(len(found) >= given["num_sections"])


def _json(text: str, given: Arguments) -> bool:
    body = re.sub(r"\A```(?:json)?", "", text.strip(), flags=re.IGNORECASE).removesuffix("```")
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _title(text: str, given: Arguments) -> bool:
    return any(title.strip("<>").strip() for title in re.findall(r"<<[^\n]+>>", text))


def _two_responses(text: str, given: Arguments) -> bool:
    parts = [part.strip() for part in text.split("******")]
    inner, filled = parts[1:-1], [part for part in parts if part]
    return all(inner) and len(filled) == 2 and filled[0] != filled[1]


def _repeats(text: str, given: Arguments) -> bool:
    return text.strip().lower().startswith(given["prompt_to_repeat"].strip().lower())


def _ends(text: str, given: Arguments) -> bool:
    return text.strip().strip('"').lower().endswith(given["end_phrase"].strip().lower())


def _quotation(text: str, given: Arguments) -> bool:
    text = text.strip()
    return len(text) > 1 and text[0] == text[-1] == '"'


def _language(text: str, given: Arguments) -> bool:
    return _is_language(text, given["language"])


def _capitals(text: str, given: Arguments) -> bool:
    return text.isupper() and _is_language(text, "en")


def _lowercase(text: str, given: Arguments) -> bool:
    return text.islower() and _is_language(text, "en")


def _capital_words(text: str, given: Arguments) -> bool:
    count = sum(word.isupper() for word in _TOKEN.findall(text))
    return _compare(count, given["capital_relation"], given["capital_frequency"])


def _no_comma(text: str, given: Arguments) -> bool:
    return "," not in text


INSTRUCTIONS: Mapping[str, tuple[Check, tuple[str, ...]]] = {
    "keywords:existence": (_keywords, ("keywords",)),
    "keywords:frequency": (_keyword_frequency, ("keyword", "frequency", "relation")),
    "keywords:forbidden_words": (_no_forbidden_word, ("forbidden_words",)),
    "keywords:letter_frequency": (_letter_frequency, ("letter", "let_frequency", "let_relation")),
    "language:response_language": (_language, ("language",)),
    "length_constraints:number_sentences": (_sentences, ("num_sentences", "relation")),
    "length_constraints:number_paragraphs": (_paragraphs, ("num_paragraphs",)),
    "length_constraints:number_words": (_words, ("num_words", "relation")),
    "length_constraints:nth_paragraph_first_word": (_nth_paragraph, ("num_paragraphs", "nth_paragraph", "first_word")),
    "detectable_content:number_placeholders": (_placeholders, ("num_placeholders",)),
    "detectable_content:postscript": (_postscript, ("postscript_marker",)),
    "detectable_format:number_bullet_lists": (_bullets, ("num_bullets",)),
    "detectable_format:constrained_response": (_constrained, ()),
    "detectable_format:number_highlighted_sections": (_highlights, ("num_highlights",)),
    "detectable_format:multiple_sections": (_sections, ("section_spliter", "num_sections")),
    "detectable_format:json_format": (_json, ()),
    "detectable_format:title": (_title, ()),
    "combination:two_responses": (_two_responses, ()),
    "combination:repeat_prompt": (_repeats, ("prompt_to_repeat",)),
    "startend:end_checker": (_ends, ("end_phrase",)),
    "startend:quotation": (_quotation, ()),
    "change_case:english_capital": (_capitals, ()),
    "change_case:english_lowercase": (_lowercase, ()),
    "change_case:capital_word_frequency": (_capital_words, ("capital_frequency", "capital_relation")),
    "punctuation:no_comma": (_no_comma, ()),
}
"""By the id in the data set: the check, and the arguments it needs."""


def follows(instruction: str, text: str, given: Arguments) -> bool:
    """Whether a text follows an instruction; an empty one follows none.

    Args:
        instruction: Its id, one of :data:`INSTRUCTIONS`.
        text: The text.
        given: Its arguments.
    """
    return bool(text.strip()) and INSTRUCTIONS[instruction][0](text, given)


def follows_loosely(instruction: str, text: str, given: Arguments) -> bool:
    """Whether a text follows an instruction as it is, without its first or last line or both, or without asterisks."""
    return any(follows(instruction, variant, given) for variant in relaxed(text))


@lru_cache(maxsize=64)
def relaxed(text: str) -> Sequence[str]:
    """The eight texts of which one has to follow an instruction for loose accuracy, each once."""
    lines = text.split("\n")
    cuts = (text, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1])))
    return tuple(dict.fromkeys((*cuts, *(cut.replace("*", "") for cut in cuts))))
