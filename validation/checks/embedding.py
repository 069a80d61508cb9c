"""Times single queries through the embedding service, one after the other, as a user would wait for them."""

import numpy as np

from validation.checks.bench import Bench, Services
from validation.clients.vectors import Matrix
from validation.judge import interval
from validation.load.samples import Samples

QUESTION = "How fast is one query turned into a vector?"
_ROUNDS = 3
_WARM_UP = 5


def run(bench: Bench, services: Services) -> Matrix:
    """Embed every judged question, one at a time, and return their vectors in the order of the questions."""
    questions = bench.corpus.questions
    seconds: list[float] = []
    with bench.record.check("embedding", QUESTION) as check:
        for question in questions[:_WARM_UP]:
            services.embedding.time_one(question.question)
        for _ in range(_ROUNDS):
            timed = [services.embedding.time_one(question.question) for question in questions]
            seconds += [took for _, took in timed]
        check.facts["rounds"] = _ROUNDS
    samples = Samples(seconds)
    for percentile in (50, 95):
        spread = interval.of_percentile_ms(seconds, percentile)
        bench.record.measure(f"embedding_p{percentile}_ms", samples.percentile_ms(percentile), samples.count, spread)
    return np.stack([vector for vector, _ in timed])
