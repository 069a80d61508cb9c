"""docs/tenancy.md shows the flow table as it is in the code."""

from pathlib import Path

from components.flows import Flow, Namespaces, Outside, Pods, table
from tests.components.test_flows import PROD

PAGE = Path("docs/tenancy.md")


def row(flow: Flow) -> str:
    ports = ", ".join(f"{transport} {port if port is not None else 'any'}" for transport, port in flow.ports)
    return f"| `{flow.name}` | {said(flow.source)} | {said(flow.target)} | {ports} | {flow.why} |"


def said(peer: Pods | Namespaces | Outside) -> str:
    if isinstance(peer, Namespaces):
        return f"namespaces with `{peer.label}={peer.value}`"
    if isinstance(peer, Outside):
        return f"{peer.host}, by address"
    labels = ", ".join(f"`{key}={value}`" for key, value in peer.labels.items())
    return labels or "every pod"


def test_the_page_has_every_flow_as_the_code_has_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = [row(flow) for flow in table(PROD)]
    missing = [each for each in rows if each not in page]
    assert not missing
    assert sum(line.startswith("| `") and line.count("|") == 6 for line in page.splitlines()) == len(rows)
