"""The SLOs of an environment while it runs: recording and alerting rules for Prometheus, and the same as OpenSLO.

Both count what Milvus's proxies say of themselves; the gate measures from the client, network included, and at a constant rate. Alerts
follow "Alerting on SLOs" of Google's SRE workbook (chapter 5, multi-window, multi-burn-rate): one fires when both a long and a short window
burn the error budget so many times too fast.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import log2
from pathlib import Path
from typing import Any

import yaml

_LAST_BUCKET_MS = 131072  # Milvus's histograms double from 1 ms up to here (metrics.go: ExponentialBuckets(1, 2, 18))
_BURNS = ((14.4, "1h", "5m", "page"), (6.0, "6h", "30m", "page"), (3.0, "1d", "2h", "ticket"), (1.0, "3d", "6h", "ticket"))
"""How many times too fast, over which windows, and how urgent: table 5-8 of that chapter."""
_LEAST_SHARE = 0.9  # a percentile below has so large a budget that it could not burn six times too fast
_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
_BAD = "milvus_x10000:search_bad:ratio_rate"


@dataclass(frozen=True, kw_only=True)
class Objectives:
    """What the SLO file of the gate promises, as far as running Milvus can be held to it."""

    environment: str
    namespace: str
    latency_ms: Mapping[float, float] = field(default_factory=dict)  # limit of each percentile of a search, by its share such as 0.95
    error_share: float | None = None  # most searches that may fail; 0 is no budget that could burn, and gives no alert


@dataclass(frozen=True, kw_only=True)
class Sli:
    """One ratio that burns a budget."""

    name: str
    budget: float  # share of searches that may be bad
    good: str  # PromQL of the rate of good searches; WINDOW stands for the window
    total: str
    description: str
    runbook: str


def slis(objectives: Objectives) -> list[Sli]:
    """Return what is counted; the median is left out."""
    namespace, error_share = f'namespace="{objectives.namespace}"', objectives.error_share
    searches = f'{namespace},query_type="search"'
    counted = [
        Sli(
            name=f"latency_p{share * 100:g}".replace(".", "_"),
            budget=round(1 - share, 6),
            good=_faster_than(limit_ms, searches),
            total=f"sum(rate(milvus_proxy_sq_latency_count{{{searches}}}[WINDOW]))",
            description=f"{share:.4g} of all searches take at most {limit_ms:g} ms inside Milvus",
            runbook="slow-searches",
        )
        for share, limit_ms in objectives.latency_ms.items()
        if share >= _LEAST_SHARE
    ]
    if error_share:
        requests = f'milvus_proxy_req_count{{{namespace},function_name=~"Search|HybridSearch"'
        total = f'sum(rate({requests},status="total"}}[WINDOW]))'
        good = f'{total} - (sum(rate({requests},status=~"fail|abandon|rejected"}}[WINDOW])) or vector(0))'
        text = f"at most {error_share:g} of all searches fail"
        counted.append(Sli(name="availability", budget=error_share, good=good, total=total, description=text, runbook="failing-searches"))
    return counted


def _faster_than(limit_ms: float, searches: str) -> str:
    """Rate of searches below `limit_ms`; between two buckets linearly, as histogram_quantile of Prometheus does."""
    if limit_ms >= _LAST_BUCKET_MS:
        return f"sum(rate(milvus_proxy_sq_latency_count{{{searches}}}[WINDOW]))"
    low = 2 ** int(log2(limit_ms)) if limit_ms >= 1 else 0
    high = low * 2 or 1
    share = (limit_ms - low) / (high - low)
    parts = [(1 - share, low), (share, high)]
    # Prometheus 3 writes the bound of a bucket as 64.0
    bucket = 'sum(rate(milvus_proxy_sq_latency_bucket{{{},le=~"{}([.]0)?"}}[WINDOW]))'
    return " + ".join(f"{weight:g} * {bucket.format(searches, bound)}" for weight, bound in parts if weight and bound)


def groups(objectives: Objectives, runbooks: str = "") -> list[dict[str, Any]]:
    """Return the groups of a file of rules; `runbooks` stands before the name of each runbook."""
    counted = slis(objectives)
    labels = {"environment": objectives.environment, "namespace": objectives.namespace}
    ratios = [(sli, window, f"1 - ({sli.good}) / ({sli.total})".replace("WINDOW", window)) for sli in counted for window in _WINDOWS]
    recorded = [{"record": f"{_BAD}{window}", "expr": expr, "labels": {**labels, "slo": sli.name}} for sli, window, expr in ratios]
    alerts = [alert for sli in counted for alert in _burning(sli, labels)]
    signs = yaml.safe_load(Path(__file__).with_name("alerts.yaml").read_text(encoding="utf-8"))
    for name, sign in signs.items():
        expr, severity = sign["expr"].replace("NAMESPACE", f'namespace="{objectives.namespace}"'), sign["severity"]
        words = sign["summary"], sign["description"], sign["runbook"]
        alerts.append(_alert(name, expr, {**labels, "severity": severity}, *words, wait=sign["for"]))
    for alert in alerts:
        alert["annotations"]["runbook_url"] = f"{runbooks}{alert['annotations']['runbook_url']}"
    prefix = f"milvus-x10000-{objectives.environment}"
    return [{"name": f"{prefix}-slis", "rules": recorded}, {"name": f"{prefix}-alerts", "rules": alerts}]


def _burning(sli: Sli, labels: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for times, long, short, severity in _BURNS:
        if times * sli.budget >= 1:
            continue  # more than every search cannot be bad
        chosen = ",".join(f'{name}="{value}"' for name, value in {**labels, "slo": sli.name}.items())
        too_fast = " and ".join(f"{_BAD}{window}{{{chosen}}} > {times * sli.budget:.6g}" for window in (long, short))
        yield _alert(
            "MilvusSearchBudgetBurning",
            too_fast,
            {**labels, "slo": sli.name, "severity": severity, "window": long},
            f"searches miss their SLO {times:g} times too fast: {sli.description}",
            f"{{{{ $value | humanizePercentage }}}} of the searches of the last {long} were bad; the budget is {sli.budget:.4g}",
            sli.runbook,
        )


def _alert(  # noqa: PLR0917  a rule has as many parts
    name: str, expr: str, labels: Mapping[str, str], summary: str, description: str, runbook: str, wait: str = "2m"
) -> dict[str, Any]:
    annotations = {"summary": summary, "description": description, "runbook_url": f"docs/monitoring.md#{runbook}"}
    return {"alert": name, "expr": expr, "for": wait, "labels": dict(labels), "annotations": annotations}


def openslo(objectives: Objectives) -> list[dict[str, Any]]:
    """Return a Service and an SLO for each ratio, as OpenSLO v1 has them (github.com/OpenSLO/OpenSLO)."""
    service = f"milvus-{objectives.environment}"

    def query(promql: str) -> dict[str, Any]:
        return {"metricSource": {"type": "Prometheus", "spec": {"query": promql.replace("WINDOW", "5m")}}}

    text = f"searches of Milvus in the namespace {objectives.namespace}"
    made: list[dict[str, Any]] = [
        {"apiVersion": "openslo/v1", "kind": "Service", "metadata": {"name": service}, "spec": {"description": text}}
    ]
    for sli in slis(objectives):
        name, ratio = f"{service}-{sli.name}".replace("_", "-"), {"good": query(sli.good), "total": query(sli.total)}
        spec = {
            "description": sli.description,
            "service": service,
            "indicator": {"metadata": {"name": f"{name}-sli"}, "spec": {"ratioMetric": {"counter": False, **ratio}}},
            "timeWindow": [{"duration": "28d", "isRolling": True}],
            "budgetingMethod": "Occurrences",
            "objectives": [{"displayName": sli.name, "target": round(1 - sli.budget, 6)}],
        }
        made.append({"apiVersion": "openslo/v1", "kind": "SLO", "metadata": {"name": name}, "spec": spec})
    return made
