"""What the service costs beside the same clients called directly: `python -m tests.page.overhead`, searches by turns, on loopback.

Both embed with a stand-in that answers at once and search the same small Milvus, so that the difference is what the service adds: HTTP,
key, JSON. Prints the percentiles of both and of the difference between neighbours.
"""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from tests.validation.ask.stage import built
from tests.validation.ask.test_service import KEY, mounted
from tests.validation.services import serving
from validation.ask.answering import Answering
from validation.ask.doors import Keys, Rate
from validation.ask.retrieval import Query, Stages
from validation.ask.service import build
from validation.clients.connect import Connector
from validation.clients.mounted import Mounted
from validation.clients.target import Target
from validation.load.histogram import Histogram

ROUNDS = 400
QUESTION = "How much does the pump lift?"


def main() -> None:
    """Ask by turns, and print."""
    with ExitStack() as closing:
        home = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        stage = closing.enter_context(built(home))
        target = Target.model_validate(stage.outputs)
        connector = Connector(target=target, kubernetes=Mounted(mounted(home) / "secrets"), closing=closing, secrets=[])
        answering = Answering(connector)
        url = closing.enter_context(serving(build(answering, Keys(home / "keys", {}), Rate(1e6, 10**6), 64)))
        client = closing.enter_context(httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}))
        query, body = Query(question=QUESTION, collection="handbook", database="default"), {"query": QUESTION, "collection": "handbook"}
        durations: dict[str, list[float]] = {"direct": [], "service": [], "of which not stages": []}
        for number in range(ROUNDS + 20):
            begin = time.perf_counter()
            answering.search(query, Stages())
            middle = time.perf_counter()
            told = client.post("/v1/search", json=body).raise_for_status().json()
            end = time.perf_counter()
            if number >= 20:  # the first ones open connections
                durations["direct"].append(middle - begin)
                durations["service"].append(end - middle)
                durations["of which not stages"].append(end - middle - sum(told["stages_ms"].values()) / 1e3)
    for name, seconds in durations.items():
        histogram = Histogram(seconds)
        print(f"{name:20} " + "  ".join(f"p{each} {histogram.percentile_ms(each):6.2f} ms" for each in (50, 95, 99)))


if __name__ == "__main__":
    main()
