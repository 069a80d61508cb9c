"""What kube-state-metrics tells of CronJobs and Jobs, of real ones, for a lab without one: just what panels ask for.

Names, labels and values as its documentation has them (docs/metrics/workload/cronjob-metrics.md and job-metrics.md).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

Object = Mapping[str, Any]


def text(cron_jobs: Iterable[Object], jobs: Iterable[Object]) -> str:
    """Return the page that Prometheus reads."""
    lines = [line for each in cron_jobs for line in _of_cron_job(each)] + [line for each in jobs for line in _of_job(each)]
    return "".join(f"{line}\n" for line in lines)


def _of_cron_job(each: Object) -> Iterator[str]:
    labels = f'namespace="{each["metadata"]["namespace"]}",cronjob="{each["metadata"]["name"]}"'
    for name, field in (("schedule", "lastScheduleTime"), ("successful", "lastSuccessfulTime")):
        if field in each.get("status", {}):
            yield f"kube_cronjob_status_last_{name}_time{{{labels}}} {_seconds(each['status'][field])}"


def _of_job(each: Object) -> Iterator[str]:
    labels, status = f'namespace="{each["metadata"]["namespace"]}",job_name="{each["metadata"]["name"]}"', each["status"]
    yield f"kube_job_created{{{labels}}} {_seconds(each['metadata']['creationTimestamp'])}"
    for owner in each["metadata"].get("ownerReferences", ()):
        yield f'kube_job_owner{{{labels},owner_kind="{owner["kind"]}",owner_name="{owner["name"]}"}} 1'
    for name, field in (("start", "startTime"), ("completion", "completionTime")):
        if field in status:
            yield f"kube_job_status_{name}_time{{{labels}}} {_seconds(status[field])}"
    for condition in status.get("conditions", ()):
        if condition["type"] == "Failed":
            for value in ("true", "false", "unknown"):
                yield f'kube_job_failed{{{labels},condition="{value}"}} {int(condition["status"].lower() == value)}'


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())
