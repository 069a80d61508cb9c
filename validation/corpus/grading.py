"""How good answers are: the expected fact, honest citations and rankings (nDCG, reciprocal rank, hit), by rules on which two runs agree.

nDCG after Järvelin and Kekäläinen (2002) as trec_eval computes it: gain = grade, discount log2(rank + 1), ideal order from all judgements.
"""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import yaml

from validation.clients.llm import Answer
from validation.clients.passages import Chunk
from validation.corpus.documents import Question

_NO_SPACES = re.compile(r"[\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
"""Kana and Han: each letter counts as a word."""
CITATION = re.compile(r"\[(\d{1,3})\]")
_REFUSALS: dict[str, list[str]] = yaml.safe_load(Path(__file__).with_name("refusals.yaml").read_text(encoding="utf-8"))
_DENIAL = r"(?:not|never|nicht|nie|kein\w*) (?!more|less|only|later|before|mehr|weniger|nur|sp\u00e4ter|vor|\u00fcber)(?:\S+ )?"
"""Before a fact; `not more than 850 kg` says the same as `850 kg`."""
_NUMBER = re.compile(r"\d+")


def normalise(text: str) -> str:
    """Fold case, width and typographic variants, join `1,300` and `1.300` to `1300`, and reduce all else to single spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate({0x2011: "-", 0x2013: "-", 0x2212: "-"})
    apart = _NO_SPACES.sub(r" \g<0> ", re.sub(r"(?<=\d)[.,\s](?=\d{3}(?!\d))", "", folded))
    return re.sub(r"[^\w%€$+-]+", " ", apart).strip()


def has_fact(answer: str, fact: str | None) -> bool:
    """Whether the answer contains the fact as whole words; `1,5` and `15` stay different. No answer contains None."""
    return fact is not None and f" {normalise(fact)} " in f" {normalise(CITATION.sub(' ', answer))} "


def denies(answer: str, fact: str | None) -> bool:
    """Whether the answer says the opposite of the fact, as far as one word before it does."""
    return fact is not None and re.search(rf" {_DENIAL}{re.escape(normalise(fact))} ", f" {normalise(answer)} ") is not None


def unsupported_numbers(answer: str, texts: Sequence[str]) -> list[str]:
    """Return the numbers of the answer, dates included, that stand in none of the texts; numbers of citations and of lists are none."""
    known = {number for text in texts for number in _NUMBER.findall(normalise(text))}
    written = normalise(re.sub(r"(?m)^\s*\d+[.)]\s", " ", CITATION.sub(" ", answer)))
    return [number for number in dict.fromkeys(_NUMBER.findall(written)) if number not in known]


def is_refusal(answer: str) -> bool:
    """Whether the answer says that the sources do not answer, and cites none of them for anything else."""
    text, patterns = normalise(answer), (pattern for each in _REFUSALS.values() for pattern in each)
    return not cited_numbers(answer) and any(re.search(pattern, text) for pattern in patterns)


def cited_numbers(answer: str) -> list[int]:
    """Return the numbers in square brackets, in order, each once."""
    return list(dict.fromkeys(int(number) for number in CITATION.findall(answer)))


def citation_is_right(answer: str, source_documents: Sequence[str], relevance: Mapping[str, int]) -> bool:
    """Whether the answer cites a source of a relevant document, and no source that it was not given."""
    numbers = cited_numbers(answer)
    if any(not 1 <= number <= len(source_documents) for number in numbers):
        return False
    return any(relevance.get(source_documents[number - 1], 0) > 0 for number in numbers)


@dataclass(frozen=True, kw_only=True)
class Graded:
    """One question, what was shown, what came back, and whether it was right."""

    question: Question
    sources: list[Chunk]
    answer: Answer

    @property
    def has_fact(self) -> bool:
        """Whether the expected fact is in the answer, and not its opposite."""
        return has_fact(self.answer.text, self.question.fact) and not denies(self.answer.text, self.question.fact)

    @property
    def is_cited(self) -> bool:
        """Whether a relevant document is cited, and nothing that was not given."""
        return citation_is_right(self.answer.text, [source.document_id for source in self.sources], self.question.relevance)

    @property
    def citation_precision(self) -> float | None:
        """Which share of the cited sources is of a relevant document; None where none is cited."""
        right = sum(self.question.relevance.get(source.document_id, 0) > 0 for source in self.cited)
        return right / len(cited_numbers(self.answer.text)) if cited_numbers(self.answer.text) else None

    @property
    def is_grounded(self) -> bool:
        """Whether the expected fact stands in a source that is cited: an answer by heart has it from somewhere else."""
        return any(has_fact(f"{source.title}\n{source.text}", self.question.fact) for source in self.cited)

    @property
    def unsupported(self) -> list[str]:
        """The numbers that stand neither in the sources nor in the question, and the fact itself where it is denied."""
        texts = [self.question.question, *(f"{source.title}\n{source.document_id}\n{source.text}" for source in self.sources)]
        denied = [f"not {self.question.fact}"] if denies(self.answer.text, self.question.fact) else []
        return [*denied, *unsupported_numbers(self.answer.text, texts)]

    @property
    def is_refusal(self) -> bool:
        """Whether it says that the sources do not answer."""
        return is_refusal(self.answer.text)

    @property
    def is_right(self) -> bool:
        """Whether it is what somebody who read all documents would say."""
        return self.has_fact and self.is_cited if self.question.is_answerable else self.is_refusal

    @property
    def cited(self) -> list[Chunk]:
        """The sources that the answer cites, of those that it was given."""
        return [self.sources[number - 1] for number in cited_numbers(self.answer.text) if 1 <= number <= len(self.sources)]


def ndcg(ranked: Sequence[str], relevance: Mapping[str, int], k: int) -> float:
    """Return nDCG@k in 0..1; documents without a judgement count as grade 0."""
    orders = ([relevance.get(document, 0) for document in ranked], sorted(relevance.values(), reverse=True))
    gain, ideal = (sum(grade / math.log2(rank + 1) for rank, grade in enumerate(order[:k], 1)) for order in orders)
    return gain / ideal if ideal else 0.0


def reciprocal_rank(ranked: Sequence[str], relevance: Mapping[str, int], k: int) -> float:
    """Return one over the rank of the first document with a grade above 0 among the first k, else 0."""
    return next((1 / rank for rank, document in enumerate(ranked[:k], 1) if relevance.get(document, 0) > 0), 0.0)


def hit(ranked: Sequence[str], relevance: Mapping[str, int], k: int) -> bool:
    """Whether a document with a grade above 0 is among the first k."""
    return any(relevance.get(document, 0) > 0 for document in ranked[:k])


def best_per_document(chunk_documents: Sequence[str]) -> list[str]:
    """Return documents in the order of their best chunk."""
    return list(dict.fromkeys(chunk_documents))


def breakdown(questions: Sequence[Question], numbers: Mapping[str, Sequence[float]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return for each language and each kind how many questions it has, and the mean of each number over them."""
    groups = {"language": [question.language for question in questions], "kind": [question.kind for question in questions]}

    parts: dict[str, dict[str, dict[str, float]]] = {by: {name: {} for name in sorted(set(members))} for by, members in groups.items()}
    for by, name in ((by, name) for by, names in parts.items() for name in names):
        places = [at for at, member in enumerate(groups[by]) if member == name]
        means = {key: round(fmean(values[at] for at in places), 4) for key, values in numbers.items()}
        parts[by][name] = {"questions": len(places)} | means
    return parts
