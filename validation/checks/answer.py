"""Asks the language model every question over the chunks chosen for it, and grades fact, citation and time.

Where the documents hold no answer, the right one is to say so: any other is invented.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from validation.checks.bench import Bench, Services
from validation.checks.breakdown import breakdown
from validation.clients.llm import Answer, Source
from validation.clients.passages import Chunk
from validation.corpus import grading
from validation.corpus.documents import Question
from validation.judge import interval
from validation.judge.errors import GateError, UsageError
from validation.load.samples import Samples
from validation.run.record import CheckRecord

QUESTION = "Does the language model answer with the expected fact, cite a document that holds it, and how soon?"
_CHARACTERS_PER_TOKEN = 2
"""Fewer than any common tokenizer needs for English or German, so that what is sent always fits."""
_SHOWN = 400


@dataclass(frozen=True, kw_only=True)
class Graded:
    """One question, what was shown, what came back, and whether it was right."""

    question: Question
    sources: list[Source]
    answer: Answer

    @property
    def has_fact(self) -> bool:
        """Whether the expected fact is in the answer."""
        return grading.has_fact(self.answer.text, self.question.fact)

    @property
    def is_cited(self) -> bool:
        """Whether a relevant document is cited, and nothing that was not given."""
        return grading.citation_is_right(self.answer.text, [source.document_id for source in self.sources], self.question.relevance)

    @property
    def is_refusal(self) -> bool:
        """Whether it says that the sources do not answer."""
        return grading.is_refusal(self.answer.text)

    @property
    def is_right(self) -> bool:
        """Whether it is what somebody who read all documents would say."""
        return self.has_fact and self.is_cited if self.question.is_answerable else self.is_refusal

    @property
    def cited_chunks(self) -> list[Chunk]:
        """The chunks that the answer cites, of those that it was given."""
        numbers = grading.cited_numbers(self.answer.text)
        cited = [self.sources[number - 1].chunk for number in numbers if 1 <= number <= len(self.sources)]
        return [chunk for chunk in cited if chunk is not None]


def run(bench: Bench, services: Services, chosen: Sequence[Sequence[Chunk]]) -> list[Graded]:
    """Ask every judged question once; a question that fails is a wrong answer, and if all fail the reason ends the run."""
    questions = bench.corpus.questions
    graded, failures = list[Graded](), dict[str, GateError]()
    with bench.record.check("answer", QUESTION) as check, bench.reporter.track("answer", len(questions)) as advance:
        for number, (question, chunks) in enumerate(zip(questions, chosen, strict=True), 1):
            sources = _sources(bench, chunks)
            try:
                graded.append(Graded(question=question, sources=sources, answer=services.llm.ask(question.question, sources)))
            except GateError as error:
                failures[question.id] = error
            advance(number)
        if not graded:
            raise next(iter(failures.values()))
        _add_facts(check, graded, services.llm.notes)
        check.facts["failed"] = {name: str(error) for name, error in failures.items()}
        check.facts["wrong"] = [_describe(one) for one in graded if not one.is_right]
        check.facts["by"] = breakdown([one.question for one in graded], {"right": [float(one.is_right) for one in graded]})
    for note in services.llm.notes:
        bench.reporter.say(f"note: {note}")
    if cut := check.facts["cut"]:
        bench.reporter.say(f"{len(cut)} answers were cut after {bench.target.llm_answer_tokens} tokens ({cut[0]}): raise llm.answer_tokens")
    _measure(bench, graded, questions)
    return graded


def _add_facts(check: CheckRecord, graded: list[Graded], notes: list[str]) -> None:
    """Say which answers were cut, how many came after thinking, and how requests had to be changed."""
    check.facts["notes"] = notes
    check.facts["thinking"] = sum(bool(one.answer.thinking) for one in graded)
    check.facts["cut"] = [one.question.id for one in graded if one.answer.is_cut]


def _sources(bench: Bench, chunks: Sequence[Chunk]) -> list[Source]:
    """Return those of the chunks that the model's context holds; refuse a context that does not hold even one."""
    left = (bench.target.llm_context_tokens - bench.target.llm_answer_tokens) * _CHARACTERS_PER_TOKEN
    sources: list[Source] = []
    for chunk in chunks:
        left -= room(chunk.text) + room(chunk.title)
        if left < 0:
            break
        sources.append(Source(title=chunk.title, document_id=chunk.document_id, text=chunk.text, chunk=chunk))
    if chunks and not sources:
        tokens, length = bench.target.llm_context_tokens, len(chunks[0].text)
        raise UsageError(
            f"a context of {tokens} tokens does not hold one source of {length} characters, so no answer could come from the documents; "
            "raise llm.context_tokens"
        )
    return sources


def room(text: str) -> int:
    """Return for how many letters of English a text takes room in a context: one of Chinese or Japanese can be two tokens."""
    return len(text) + (2 * _CHARACTERS_PER_TOKEN - 1) * sum(letter > "\u2e80" for letter in text)


def _measure(bench: Bench, graded: list[Graded], questions: Sequence[Question]) -> None:
    for name, seconds in (
        ("first_token", [one.answer.first_token_s for one in graded]),
        ("answer", [one.answer.total_s for one in graded]),
    ):
        for percentile in (50, 95):
            spread = interval.of_percentile_ms(seconds, percentile)
            bench.record.measure(f"{name}_p{percentile}_ms", Samples(seconds).percentile_ms(percentile), len(seconds), spread)
    for name, values in _shares(graded, questions).items():
        bench.record.measure(name, fmean(values) if values else None, len(values), interval.of_share(values) if values else None)


def _shares(graded: list[Graded], questions: Sequence[Question]) -> dict[str, list[float]]:
    """One number for each question that was asked; a failed one is wrong."""
    answers = {one.question.id: one for one in graded}
    told = [(question, answers.get(question.id)) for question in questions]
    answerable = [one for question, one in told if question.is_answerable]
    return {
        "answer_error_share": [float(one is None) for _, one in told],
        "fact_share": [float(one is not None and one.has_fact) for one in answerable],
        "citation_share": [float(one is not None and one.is_cited) for one in answerable],
        "refusal_share": [float(one is not None and one.is_refusal) for question, one in told if not question.is_answerable],
        "false_refusal_share": [float(one is not None and one.is_refusal) for one in answerable],
    }


def _describe(one: Graded) -> dict[str, object]:
    return {
        "question": one.question.id,
        "fact": one.has_fact,
        "citation": one.is_cited,
        "fact_in_sources": any(grading.has_fact(source.text, one.question.fact) for source in one.sources),
        "sources": [source.document_id for source in one.sources],
        "cut": one.answer.is_cut,
        "answer": one.answer.text[:_SHOWN],
    }
