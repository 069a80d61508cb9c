"""What the language model is shown for each judged question, what it answers, and whether its citations lead to the originals.

Answers are graded by fact, citation and time. Where the documents hold no answer, the right one is to say so: any other is invented. A
citation is followed by what Milvus holds with the cited chunk, not by what the gate remembers: a lost or wrong piece of metadata is found
too. Generated chunks have no original; an answer that cites one is wrong, and counted as that (`citation_share`).

What the service of questions costs beside the same search called directly is measured by turns, and they take turns at being first, so that
neither always finds what the other left cached. What embedding and Milvus take differs from call to call by more than the service adds,
so each side counts what it takes besides them: of the service HTTP both ways, key, JSON and threads, of the direct call next to nothing.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from validation.ask.retrieval import Query, Retriever, Stages
from validation.checks.context import GATE, RunContext
from validation.checks.registry import Check
from validation.clients.asking import AskService
from validation.clients.llm import fitting
from validation.clients.passages import Chunk
from validation.corpus import grading
from validation.corpus.citation import citation_of, citation_problem
from validation.corpus.documents import Question
from validation.judge.errors import GateError
from validation.load.histogram import Histogram
from validation.run.record import Facts

_CANDIDATES = 4  # times as many chunks as are shown are offered to a reranker: enough to change the order, few enough for one request
_ROUNDS, _WARM = 200, 10


@GATE.check(after="quality")
def sources(run: RunContext, facts: Facts) -> None:
    """Which chunks is the language model shown, and what does reranking them take?"""
    count, reranker = run.profile.answer.sources, run.services.reranker
    facts["reranked"] = reranker is not None
    candidates = count * _CANDIDATES if reranker else count
    nearest = (run.loaded.collection.nearest(vector, candidates, run.profile.search) for vector in run.question_vectors)
    run.sources = [run.loaded.chunks(ids) for ids in nearest]
    if reranker is None:
        return
    pairs = zip(run.corpus.questions, run.sources, strict=True)
    ranked = [(chunks, *reranker.rank(question.question, [chunk.passage for chunk in chunks])) for question, chunks in pairs]
    run.measure_latency("rerank", [seconds for _, _, seconds in ranked])
    run.sources = [[chunks[place] for place in order][:count] for chunks, order, _ in ranked]


@GATE.check(after="sources")
def answer(run: RunContext, facts: Facts) -> None:
    """Does the language model answer with the expected fact, cite a document that holds it, and how soon?"""
    # ask every judged question once; a question that fails is a wrong answer, and if all fail the reason ends the run
    questions = run.corpus.questions
    graded, failures = list[grading.Graded](), dict[str, GateError]()
    with run.reporter.track("answer", len(questions)) as advance:
        for number, (question, chunks) in enumerate(zip(questions, run.sources, strict=True), 1):
            try:
                graded.append(_ask(run, question, chunks))
            except GateError as error:
                failures[question.id] = error
            advance(number)
    if not graded:
        raise next(iter(failures.values()))
    run.graded = graded
    run.measure_latency("first_token", [each.answer.first_token_s for each in graded])
    run.measure_latency("answer", [each.answer.total_s for each in graded])
    for name, values in _shares(graded, questions).items():
        run.record.measure_share(name, values)
    notes, cut = run.services.llm.notes, [each.question.id for each in graded if each.answer.is_cut]
    facts |= {"through": run.profile.answer.through or "llm", "notes": notes, "cut": cut}
    facts["thinking"] = sum(bool(each.answer.thinking) for each in graded)
    facts["failed"] = {name: str(error) for name, error in failures.items()}
    facts["wrong"] = [_describe(each) for each in graded if not each.is_right]
    facts["by"] = grading.breakdown([each.question for each in graded], {"right": [float(each.is_right) for each in graded]})
    for note in notes:
        run.reporter.say(f"note: {note}")
    if cut:
        run.reporter.say(f"{len(cut)} answers were cut after {run.target.llm_answer_tokens} tokens ({cut[0]}): raise llm.answer_tokens")


def _ask(run: RunContext, question: Question, chunks: list[Chunk]) -> grading.Graded:
    """Ask the language model about what the gate found; or the service of questions, which finds by itself."""
    room = run.target.llm_context_tokens, run.target.llm_answer_tokens
    if run.services.asking is None:
        sources = fitting(chunks, *room)
        return grading.Graded(question=question, sources=sources, answer=run.services.llm.ask(question.question, sources))
    ids, answer = run.services.asking[0].ask(question.question, run.loaded.collection.name, run.profile.answer.sources)
    return grading.Graded(question=question, sources=fitting(run.loaded.chunks(ids), *room), answer=answer)


def _shares(graded: list[grading.Graded], questions: Sequence[Question]) -> dict[str, list[float]]:
    """Return one number for each question that was asked; a failed one is wrong."""
    answers = {answer.question.id: answer for answer in graded}
    pairs = [(question, answers.get(question.id)) for question in questions]
    answerable = [answer for question, answer in pairs if question.is_answerable]
    return {
        "answer_error_share": [float(answer is None) for _, answer in pairs],
        "fact_share": [float(answer is not None and answer.has_fact) for answer in answerable],
        "citation_share": [float(answer is not None and answer.is_cited) for answer in answerable],
        "citation_precision": [share for _, answer in pairs if answer is not None and (share := answer.citation_precision) is not None],
        "grounded_share": [float(answer.is_grounded) for answer in answerable if answer is not None and answer.has_fact],
        "unsupported_share": [float(bool(answer.unsupported)) for _, answer in pairs if answer is not None],
        "refusal_share": [float(answer is not None and answer.is_refusal) for question, answer in pairs if not question.is_answerable],
        "false_refusal_share": [float(answer is not None and answer.is_refusal) for answer in answerable],
    }


def _describe(graded: grading.Graded) -> Facts:
    question, sources = graded.question, graded.sources
    asked = {"question": question.id, "asked": question.question, "expected": question.fact}
    right = {"right_source": any(question.relevance.get(source.document_id, 0) > 0 for source in sources), "fact": graded.has_fact}
    held = {"citation": graded.is_cited, "fact_in_sources": any(grading.has_fact(source.text, question.fact) for source in sources)}
    shown = {"sources": [source.document_id for source in sources], "unsupported": graded.unsupported}
    return asked | right | held | shown | {"cut": graded.answer.is_cut, "answer": graded.answer.text[:400]}


@GATE.check(after="answer")
def originals(run: RunContext, facts: Facts) -> None:
    """Does every citation lead to the very version of the original that was read?"""
    # fetch each cited version once; the share counts citations, not versions
    ids = {row.chunk: row.id for row in run.loaded.rows}
    rows_of = {each.question.id: [ids[chunk] for chunk in each.cited if not chunk.generated] for each in run.graded}
    rows = sorted({row for cited in rows_of.values() for row in cited})
    kept = run.loaded.collection.read(rows) if rows else {}
    citations = {row: citation_of(kept.get(row, {}), run.target.documents_bucket) for row in rows}
    broken = {str(citation): why for citation in set(citations.values()) if (why := citation_problem(run.services.documents, citation))}
    facts["citations"] = {question: [str(citations[row]) for row in cited] for question, cited in rows_of.items()}
    facts["broken"] = broken
    follows = [str(citations[row]) not in broken for cited in rows_of.values() for row in cited]
    run.record.measure("original_share", sum(follows) / len(follows) if follows else None, len(follows))


@dataclass(kw_only=True)
class Pairs:
    """Seconds of each search, by pairs."""

    service: list[float] = field(default_factory=list)
    direct: list[float] = field(default_factory=list)
    besides: list[float] = field(default_factory=list)  # by how much more the service takes besides embedding and Milvus; never below 0
    cpu_ms: dict[str, float | None] = field(default_factory=dict)  # of one search: the service's process, and this one searching directly

    def facts(self) -> dict[str, object]:
        """Return what no objective names."""
        whole = {name: Histogram(getattr(self, name)) for name in ("service", "direct")}
        told: dict[str, object] = {name: {f"p{each}_ms": whole[name].percentile_ms(each) for each in (50, 95)} for name in whole}
        return {**told, "cpu_ms": self.cpu_ms}


def compared(service: AskService, direct: Retriever, questions: list[Query], rounds: int) -> Pairs:
    """Search by turns, each question in turn."""
    pairs, cpu_s = Pairs(), 0.0
    for number in range(rounds + _WARM):
        query, stages = questions[number % len(questions)], Stages()
        if number == _WARM:
            before_s, cpu_s = service.cpu_s(), 0.0
        through = service.search(query.question, query.collection, query.limit) if number % 2 else None
        begin, began = time.perf_counter(), time.process_time()
        direct.search(query, stages)
        direct_s, cpu_s = time.perf_counter() - begin, cpu_s + time.process_time() - began
        total_s, stages_s = through or service.search(query.question, query.collection, query.limit)
        if number >= _WARM:
            pairs.service.append(total_s)
            pairs.direct.append(direct_s)
            pairs.besides.append(max(0.0, total_s - stages_s - direct_s + sum(stages.ms.values()) / 1e3))
    after_s = service.cpu_s()
    spent = None if before_s is None or after_s is None else round((after_s - before_s) / rounds * 1e3, 2)
    pairs.cpu_ms = {"service": spent, "direct": round(cpu_s / rounds * 1e3, 2)}
    return pairs


def _reason_to_skip(run: RunContext, _check: Check[RunContext]) -> str:
    return "" if run.services.asking is not None else "answers are not asked through the service (answer.through: ask)"


@GATE.check(after="originals", skip=_reason_to_skip)
def overhead(run: RunContext, facts: Facts) -> None:
    """What does a search through the service of questions take beyond the same search called directly?"""
    if run.services.asking is not None:
        name, database, limit = run.loaded.collection.name, run.target.milvus_database, run.profile.answer.sources
        asked = [Query(question=each.question, collection=name, database=database, limit=limit) for each in run.corpus.questions]
        pairs = compared(*run.services.asking, asked, _ROUNDS)
        run.measure_latency("ask_overhead", pairs.besides)
        facts |= pairs.facts()
