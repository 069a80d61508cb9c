"""Looks up the endpoint's name, and connects to every address it has."""

import socket
import time

from validation.checks.storage.context import STORE, StoreContext
from validation.judge.outcome import Outcome
from validation.run.record import Facts

_MILVUS_CONNECT_S = 1.0
"""Milvus gives a connection to S3 one second, ten times (milvus pull request 48941)."""


@STORE.check("endpoint", "Does the endpoint's name resolve, and does something listen at each of its addresses?")
def endpoint(run: StoreContext, _facts: Facts) -> None:
    """Raise BlockedError when nothing answers."""
    addresses = _resolve(run)
    run.record.ok("dns", f"{run.aim.host} is {', '.join(addresses)}")
    failures: dict[str, str] = {}
    slowest_s = 0.0
    for address in addresses:
        begin = time.monotonic()
        try:
            socket.create_connection((address, run.aim.port), timeout=run.aim.limits.timeout_s).close()
        except OSError as error:
            failures[address] = _why(run, error)
        else:
            slowest_s = max(slowest_s, time.monotonic() - begin)
    _judge(run, addresses, failures, slowest_s)


def _resolve(run: StoreContext) -> list[str]:
    host, port = run.aim.host, run.aim.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise run.record.block(
            "dns",
            f"the name {host} does not resolve here ({error})",
            "no pod of Milvus would find the store",
            f"correct object_store.endpoint, or the name server that this place asks; try: getent hosts {host}",
            Outcome.UNREACHABLE,
        ) from None
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def _why(run: StoreContext, error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"swallows packets: no answer within {run.aim.limits.timeout_s:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "refuses the connection: nothing listens on this port"
    return f"cannot be reached ({error})"


def _judge(run: StoreContext, addresses: list[str], failures: dict[str, str], slowest_s: float) -> None:
    port, record = run.aim.port, run.record
    told = "; ".join(f"{address} port {port} {why}" for address, why in failures.items())
    cure = f"correct the port, or let {port}/tcp through firewall and network policies; try: curl -v {run.aim.endpoint}"
    if len(failures) == len(addresses):
        raise record.block("tcp", told, "Milvus would repeat for ever and never become ready", cure, Outcome.UNREACHABLE)
    if failures:
        record.warn("tcp", told, "Milvus would lose a second and more whenever it picks that address", cure)
    elif slowest_s > _MILVUS_CONNECT_S:
        record.warn("tcp", f"connecting took {slowest_s:.1f} s", "Milvus gives up on a connection after 1 s", "bring the store nearer")
    else:
        record.ok("tcp", f"port {port} open, connected in {slowest_s * 1e3:.1f} ms")
