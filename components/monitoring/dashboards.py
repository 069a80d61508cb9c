"""Grafana's dashboards, made from panels.yaml: a title, a unit and the queries of each panel; the rest is the same everywhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_PANELS = Path(__file__).with_name("panels.yaml")
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 3
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def dashboards(environment: str, namespace: str) -> dict[str, dict[str, Any]]:
    """Return each dashboard of one environment by its name: Grafana's JSON model, for version 9 and later."""
    return {name: _dashboard(name, described, environment, namespace) for name, described in _described().items()}


def _described() -> Mapping[str, Mapping[str, Any]]:
    described: dict[str, Mapping[str, Any]] = yaml.safe_load(_PANELS.read_text(encoding="utf-8"))
    return described


def _dashboard(name: str, described: Mapping[str, Any], environment: str, namespace: str) -> dict[str, Any]:
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    return {
        "uid": f"milvus-x10000-{environment}-{name}"[:40],
        "title": f"{described['title']} ({environment})",
        "tags": ["milvus-x10000", environment],
        "schemaVersion": 38,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [source, {"name": "namespace", "type": "constant", "query": namespace, "hide": 2}]},
        "panels": [_panel(index, panel) for index, panel in enumerate(described["panels"])],
    }


def _panel(index: int, panel: Mapping[str, Any]) -> dict[str, Any]:
    place = {"h": _HEIGHT, "w": _WIDTH, "x": index % _COLUMNS * _WIDTH, "y": index // _COLUMNS * _HEIGHT}
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": panel["title"],
        "description": panel["description"],
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel["unit"], "min": 0}, "overrides": []},
        "targets": _targets(panel["queries"]),
    }


def _targets(queries: Mapping[str, str]) -> list[dict[str, Any]]:
    """One a query, by its legend."""
    return [
        {"refId": chr(ord("A") + index), "expr": expr, "legendFormat": legend, "datasource": _SOURCE}
        for index, (legend, expr) in enumerate(queries.items())
    ]
