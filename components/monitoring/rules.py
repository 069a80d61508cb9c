"""The SLOs of an environment while it runs: recording and alerting rules for Prometheus, and the same as OpenSLO.

Both count what Milvus's proxies say of themselves; the gate measures from the client, network included, and at a constant rate. Alerts
follow "Alerting on SLOs" of Google's SRE workbook (chapter 5, multi-window, multi-burn-rate): one fires when both a long and a short window
burn the error budget so many times too fast.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log2
from pathlib import Path
from typing import Any

import yaml

from components.templates import rendered

_LAST_BUCKET_MS = 131072  # Milvus's histograms double from 1 ms up to here (metrics.go: ExponentialBuckets(1, 2, 18))
_LEAST_SHARE = 0.9  # a percentile below has so large a budget that it could not burn six times too fast
_HERE = Path(__file__).parent


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
    signs = yaml.safe_load((_HERE / "alerts.yaml").read_text(encoding="utf-8"))
    runbooks = f"{runbooks}docs/monitoring.md#"
    (made,) = rendered(_HERE / "rules.yaml.j2", objectives=objectives, slis=slis(objectives), signs=signs, runbooks=runbooks)
    return list(made)


def openslo(objectives: Objectives) -> list[dict[str, Any]]:
    """Return a Service and an SLO for each ratio."""
    return rendered(_HERE / "openslo.yaml.j2", objectives=objectives, slis=slis(objectives))
