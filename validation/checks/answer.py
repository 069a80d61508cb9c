"""Asks the language model every question over the chunks chosen for it, and grades fact, citation and time.

Where the documents hold no answer, the right one is to say so: any other is invented.
"""

from collections.abc import Sequence
from statistics import fmean

from validation.checks.context import GATE, RunContext
from validation.clients.llm import Source
from validation.clients.passages import Chunk
from validation.corpus import grading, ranking
from validation.corpus.documents import Question
from validation.corpus.grading import Graded
from validation.judge import interval
from validation.judge.errors import GateError, UsageError
from validation.judge.measures import higher, latencies, lower
from validation.run.record import Facts

_CHARACTERS_PER_TOKEN = 2
"""Fewer than any common tokenizer needs for English or German, so that what is sent always fits."""
_SHOWN = 400


@GATE.check(
    "answer",
    "Does the language model answer with the expected fact, cite a document that holds it, and how soon?",
    after="sources",
    measures=[
        *latencies("first_token", "From sending the question until the first token", (50, 95), at_most="answer_p95_ms"),
        *latencies("answer", "From sending the question until the whole answer", (50, 95)),
        lower("answer_error_share", "share", "Questions that the language model did not answer at all"),
        higher("fact_share", "share", "Answers that contain the expected fact", 20),
        higher("refusal_share", "share", "Of the questions that the documents do not answer, those to which the model said so", 10),
        lower("false_refusal_share", "share", "Of the questions that the documents answer, those to which the model said that they do not"),
        higher("citation_share", "share", "Answers that cite a relevant document and no source that was not given", 20),
    ],
)
def answer(run: RunContext, facts: Facts) -> None:
    """Ask every judged question once; a question that fails is a wrong answer, and if all fail the reason ends the run."""
    questions = run.corpus.questions
    graded, failures = list[Graded](), dict[str, GateError]()
    with run.reporter.track("answer", len(questions)) as advance:
        for number, (question, chunks) in enumerate(zip(questions, run.sources, strict=True), 1):
            sources = _sources(run, chunks)
            try:
                graded.append(Graded(question=question, sources=sources, answer=run.services.llm.ask(question.question, sources)))
            except GateError as error:
                failures[question.id] = error
            advance(number)
    if not graded:
        raise next(iter(failures.values()))
    _add_facts(run, facts, graded)
    facts["failed"] = {name: str(error) for name, error in failures.items()}
    facts["wrong"] = [_describe(one) for one in graded if not one.is_right]
    facts["by"] = ranking.breakdown([one.question for one in graded], {"right": [float(one.is_right) for one in graded]})
    _measure(run, graded, questions)
    run.graded = graded


def _add_facts(run: RunContext, facts: Facts, graded: list[Graded]) -> None:
    """Say which answers were cut, how many came after thinking, and how requests had to be changed."""
    facts["notes"] = run.services.llm.notes
    facts["thinking"] = sum(bool(one.answer.thinking) for one in graded)
    facts["cut"] = cut = [one.question.id for one in graded if one.answer.is_cut]
    for note in run.services.llm.notes:
        run.reporter.say(f"note: {note}")
    if cut:
        run.reporter.say(f"{len(cut)} answers were cut after {run.target.llm_answer_tokens} tokens ({cut[0]}): raise llm.answer_tokens")


def _sources(run: RunContext, chunks: Sequence[Chunk]) -> list[Source]:
    """Return those of the chunks that the model's context holds; refuse a context that does not hold even one."""
    left = (run.target.llm_context_tokens - run.target.llm_answer_tokens) * _CHARACTERS_PER_TOKEN
    sources: list[Source] = []
    for chunk in chunks:
        left -= room(chunk.text) + room(chunk.title)
        if left < 0:
            break
        sources.append(Source(title=chunk.title, document_id=chunk.document_id, text=chunk.text, chunk=chunk))
    if chunks and not sources:
        tokens, length = run.target.llm_context_tokens, len(chunks[0].text)
        raise UsageError(
            f"a context of {tokens} tokens does not hold one source of {length} characters, so no answer could come from the documents; "
            "raise llm.context_tokens"
        )
    return sources


def room(text: str) -> int:
    """Return for how many letters of English a text takes room in a context: one of Chinese or Japanese can be two tokens."""
    return len(text) + (2 * _CHARACTERS_PER_TOKEN - 1) * sum(letter > "\u2e80" for letter in text)


def _measure(run: RunContext, graded: list[Graded], questions: Sequence[Question]) -> None:
    run.measure_latency("first_token", [one.answer.first_token_s for one in graded])
    run.measure_latency("answer", [one.answer.total_s for one in graded])
    for name, values in _shares(graded, questions).items():
        run.record.measure(name, fmean(values) if values else None, len(values), interval.of_share(values) if values else None)


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
