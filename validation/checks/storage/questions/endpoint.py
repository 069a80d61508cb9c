"""Looks up the endpoint's name, and connects to every address it has."""

import socket
import time

from validation.checks.storage.bench import Bench
from validation.judge.outcome import Outcome

QUESTION = "Does the endpoint's name resolve, and does something listen at each of its addresses?"
_MILVUS_CONNECT_S = 1.0
"""Milvus gives a connection to S3 one second, ten times (milvus pull request 48941)."""


def run(bench: Bench) -> None:
    """Raise BlockedError when nothing answers."""
    addresses = _resolve(bench)
    bench.record.ok("dns", f"{bench.aim.host} is {', '.join(addresses)}")
    failures: dict[str, str] = {}
    slowest_s = 0.0
    for address in addresses:
        begin = time.monotonic()
        try:
            socket.create_connection((address, bench.aim.port), timeout=bench.aim.limits.timeout_s).close()
        except OSError as error:
            failures[address] = _why(bench, error)
        else:
            slowest_s = max(slowest_s, time.monotonic() - begin)
    _judge(bench, addresses, failures, slowest_s)


def _resolve(bench: Bench) -> list[str]:
    host, port = bench.aim.host, bench.aim.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise bench.record.block(
            "dns",
            f"the name {host} does not resolve here ({error})",
            "no pod of Milvus would find the store",
            f"correct object_store.endpoint, or the name server that this place asks; try: getent hosts {host}",
            Outcome.UNREACHABLE,
        ) from None
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def _why(bench: Bench, error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"swallows packets: no answer within {bench.aim.limits.timeout_s:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "refuses the connection: nothing listens on this port"
    return f"cannot be reached ({error})"


def _judge(bench: Bench, addresses: list[str], failures: dict[str, str], slowest_s: float) -> None:
    port, record = bench.aim.port, bench.record
    told = "; ".join(f"{address} port {port} {why}" for address, why in failures.items())
    cure = f"correct the port, or let {port}/tcp through firewall and network policies; try: curl -v {bench.aim.endpoint}"
    if len(failures) == len(addresses):
        raise record.block("tcp", told, "Milvus would repeat for ever and never become ready", cure, Outcome.UNREACHABLE)
    if failures:
        record.warn("tcp", told, "Milvus would lose a second and more whenever it picks that address", cure)
    elif slowest_s > _MILVUS_CONNECT_S:
        record.warn("tcp", f"connecting took {slowest_s:.1f} s", "Milvus gives up on a connection after 1 s", "bring the store nearer")
    else:
        record.ok("tcp", f"port {port} open, connected in {slowest_s * 1e3:.1f} ms")
