"""Write alerting rules, OpenSLO and Grafana's dashboards of an environment, for a Prometheus and a Grafana without their operators.

The limits are those of validation/slo.ENV.yaml. With `monitoring.rules_of` and `monitoring.dashboards` in the settings `pulumi up` declares
the same as a PrometheusRule and as ConfigMaps. What each alert means and what to do: docs/monitoring.md.

For example:

    ./rag monitoring prod --out monitoring

    promtool check rules monitoring/rules.yaml
"""

import json
from pathlib import Path
from typing import Annotated

import typer
import yaml

from stacks.commands import EnvironmentName, select


def run(
    environment: EnvironmentName,
    out: Annotated[Path | None, typer.Option(help="Folder to write to. Default: build/monitoring/ENV")] = None,
) -> None:
    """Write the files of one environment."""
    settings = select(environment).settings
    from components.monitoring.dashboards import dashboards
    from components.monitoring.rules import groups, openslo
    from stacks.wiring.monitoring import objectives

    promised = objectives(settings, environment)
    folder = out if out is not None else Path("build") / "monitoring" / environment
    files = {
        "rules.yaml": yaml.safe_dump({"groups": groups(promised, settings.monitoring.runbooks)}, sort_keys=False, width=1000),
        "openslo.yaml": yaml.safe_dump_all(openslo(promised), sort_keys=False, width=1000),
        **{f"{name}.json": json.dumps(model, indent=1) for name, model in dashboards(environment, settings.namespace).items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)
