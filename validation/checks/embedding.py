"""Times single queries through the embedding service, one after the other, as a user would wait for them."""

import numpy as np

from validation.checks.context import GATE, RunContext
from validation.judge.measures import latencies
from validation.run.record import Facts

_ROUNDS = 3
_WARM_UP = 5


@GATE.check(
    "embedding",
    "How fast is one query turned into a vector?",
    after="cold_path",
    measures=latencies("embedding", "One query embedded", (50, 95)),
)
def embedding(run: RunContext, facts: Facts) -> None:
    """Embed every judged question, one at a time, in the order of the questions."""
    questions, service = run.corpus.questions, run.services.embedding
    seconds: list[float] = []
    for question in questions[:_WARM_UP]:
        service.time_one(question.question)
    for _ in range(_ROUNDS):
        timed = [service.time_one(question.question) for question in questions]
        seconds += [took for _, took in timed]
    facts["rounds"] = _ROUNDS
    run.measure_latency("embedding", seconds)
    run.question_vectors = np.stack([vector for vector, _ in timed])
