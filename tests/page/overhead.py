"""What the service costs beside the same search called directly: `python -m tests.page.overhead`, a minute, on loopback.

As the check `overhead` of the gate measures it (`./rag gate ENV` with `answer.through: ask`), without a stack: embedding by a stand-in, a
small Milvus, and `serve` in a process of its own, as in a pod. For a profile of it: py-spy record --pid of what is printed first.
"""

import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from tests.validation.ask.stage import built
from tests.validation.ask.test_service import KEY, mounted
from tests.validation.stand import write_target
from validation.ask.retrieval import Query, Retriever
from validation.checks.answer import compared
from validation.clients.asking import AskService
from validation.clients.connect import Connector
from validation.clients.http import Access
from validation.clients.kube import Mounted
from validation.clients.target import Target
from validation.load.histogram import Histogram

PORT = 18_080
QUERY = Query(question="How much does the pump lift?", collection="handbook", database="default")


def main(rounds: int) -> None:
    """Search by turns, and print."""
    with ExitStack() as closing:
        home = mounted(Path(closing.enter_context(tempfile.TemporaryDirectory())))
        stage = closing.enter_context(built(home))
        target = Target.model_validate(stage.outputs)
        connector = Connector(target=target, kubernetes=Mounted(home / "secrets"), closing=closing, secrets=[])
        direct = Retriever(connector, connector.models(60), {})
        files: list[str | Path] = ["--mounted", home / "secrets", "--keys", home / "keys"]
        many = ["--port", str(PORT), "--rate", "100000", "--burst", "100000"]
        command = [sys.executable, "-m", "validation", "serve", write_target(home, stage.outputs), *files, *many]
        process = closing.enter_context(subprocess.Popen(command))
        closing.callback(process.terminate)
        print(f"the service is process {process.pid}", flush=True)
        service = AskService(f"http://127.0.0.1:{PORT}/v1", 60, Access(read_key=lambda: KEY))
        closing.callback(service.close)
        _wait()
        pairs = compared(service, direct, [QUERY], rounds)
    rows = {"service": pairs.service, "direct": pairs.direct, "service besides embedding and search": pairs.besides}
    for name, seconds in rows.items():
        print(f"{name:37} " + "  ".join(f"p{each} {Histogram(seconds).percentile_ms(each):6.2f} ms" for each in (50, 95)))
    print(f"CPU of one search: {json.dumps(pairs.cpu_ms)} ms")


def _wait() -> None:
    for _ in range(300):
        try:
            httpx.get(f"http://127.0.0.1:{PORT}/health")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the service does not answer")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
