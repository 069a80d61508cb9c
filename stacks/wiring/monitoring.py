"""Alerting rules and dashboards as the settings ask for them; the limits are those of the gate's SLO file."""

from typing import Any

import yaml

from components.monitoring import Monitoring, MonitoringArgs
from components.monitoring.rules import Objectives
from components.tenancy import Tenancy
from stacks import environments
from stacks.problems import failure
from stacks.settings import Settings

_PERCENTILES = {"search_p95_ms": 0.95, "search_p99_ms": 0.99}


def declare(settings: Settings, tenancy: Tenancy) -> Monitoring | None:
    """Return the component, None where neither rules nor dashboards are asked for."""
    chosen = settings.monitoring
    if not (chosen.rules_of or chosen.dashboards):
        return None
    args = MonitoringArgs(
        namespace=tenancy.namespace,
        objectives=objectives(settings, chosen.rules_of) if chosen.rules_of else None,
        dashboards=chosen.dashboards,
        environment=chosen.rules_of or settings.namespace,
        namespace_name=settings.namespace,
        labels=chosen.labels,
        runbooks=chosen.runbooks,
    )
    return Monitoring("monitoring", args)


def _flat(limit: Any) -> list[str]:  # noqa: ANN401  a text, or texts and lists of them
    return [text for part in limit for text in _flat(part)] if isinstance(limit, list) else [str(limit)]


def objectives(settings: Settings, environment: str) -> Objectives:
    """Return the limits of validation/slo.ENV.yaml that running Milvus can be held to; SettingsError where it has none, or is none."""
    path, limits = environments.slo_of(environment), dict[str, float | None]()
    try:
        for name, objective in yaml.safe_load(path.read_text(encoding="utf-8"))["objectives"].items():
            texts = _flat(objective.get("limit", []))
            bounds = [text.removeprefix("<=").strip() for text in texts if text.startswith("<=") and "%" not in text]
            # the loosest absolute upper limit; what is compared with a baseline is the gate's alone
            limits[name] = max((float(bound) for bound in bounds if not bound.startswith("+")), default=None)
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise failure("rules_unreadable", file=path, error=error, environment=environment) from None
    latency = {share: limit for name, share in _PERCENTILES.items() if (limit := limits.get(name)) is not None}
    errors = limits.get("search_error_share")
    if not latency and not errors:
        raise failure("rules_none", file=path, names=", ".join([*_PERCENTILES, "search_error_share above 0"]))
    return Objectives(environment=environment, namespace=settings.namespace, latency_ms=latency, error_share=errors)
