"""How long all forms of the report of 30,000 searches take, and how large they are: python -m tests.bench.report."""

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from tests.validation.conftest import LAB
from tests.validation.reports.reports import write_report
from validation.judge import interval
from validation.judge.measures import Measurement
from validation.judge.profile import Profile
from validation.load.histogram import Histogram
from validation.reports import export

_SEARCHES = 30_000


def main() -> None:
    """Measure, and print one line a file."""
    profile = Profile.model_validate(yaml.safe_load(LAB.read_text(encoding="utf-8")))
    seconds = [0.001 * (1 + number % 997) for number in range(_SEARCHES)]
    with TemporaryDirectory() as folder:
        begun_s = time.perf_counter()
        spread = interval.of_load_percentile_ms(seconds, 95)
        numbers = {name: Measurement(value=1.0, samples=_SEARCHES, interval=spread) for name in profile.objectives}
        path = write_report(Path(folder), profile, numbers)
        step = {"p50_ms": 1.0, "p95_ms": 2.0, "max_ms": 900.0, "searches": 500, "errors": 0}
        facts = {"latency_histogram": Histogram(seconds).encoded(), "over_time": [step | {"from_s": second} for second in range(60)]}
        check = {"name": "retrieval", "question": "?", "status": "done", "seconds": 300, "facts": facts}
        path.write_text(json.dumps(json.loads(path.read_text()) | {"checks": [check]}))
        export.write_beside(path)
        print(f"{_SEARCHES:,} searches: all forms in {time.perf_counter() - begun_s:.2f} s")
        for each in sorted(Path(folder).iterdir()):
            print(f"{each.name:<12} {each.stat().st_size:>9,} bytes")


if __name__ == "__main__":
    main()
