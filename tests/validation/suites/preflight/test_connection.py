"""Before the first request: name, port, certificate and clock; each fault is red for its own reason, and says the cure."""

import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import certificates
from tests.certificates import Made
from tests.s3_server import free_port
from tests.validation.suites.preflight.conftest import Preflight
from validation.checks.storage.record import Finding, PreflightRecord
from validation.judge.errors import Outcome


class _Denies(BaseHTTPRequestHandler):
    """Answers as a store answers whoever has no key."""

    def do_HEAD(self) -> None:
        self.send_response(403)
        self.end_headers()

    def do_GET(self) -> None:
        body = b"<Error><Code>InvalidAccessKeyId</Code><Message>no such key</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(tls: Made | None = None, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Iterator[int]:
    """Serve on a free port of the loopback, over TLS when there is a certificate."""
    server = HTTPServer(("127.0.0.1", 0), _Denies)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that ends a handshake is what is tested
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.crt_file, tls.key_file)
        if newest < ssl.TLSVersion.TLSv1_2:
            context.set_ciphers("ALL:@SECLEVEL=0")
            with warnings.catch_warnings(action="ignore"):
                context.minimum_version = context.maximum_version = newest
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def last(record: PreflightRecord) -> Finding:
    return record.findings[-1]


def test_a_name_that_does_not_resolve_exits_4(preflight: Preflight) -> None:
    record = preflight(endpoint="https://no-such-store.invalid")
    assert record.exit_code == 4
    assert last(record).seen.startswith("the name no-such-store.invalid does not resolve here (")
    assert "getent hosts no-such-store.invalid" in last(record).cure
    assert record.not_asked[:2] == ["tls", "clock"]
    assert preflight.report()["result"]["outcome"] == "UNREACHABLE"


def test_a_port_on_which_nobody_listens_exits_4(preflight: Preflight) -> None:
    port = free_port()
    record = preflight(endpoint=f"https://127.0.0.1:{port}")
    assert record.exit_code == 4
    assert last(record).seen == f"127.0.0.1 port {port} refuses the connection: nothing listens on this port"


def test_a_name_of_both_families_is_asked_at_each_address_and_the_one_that_is_closed_is_named(
    preflight: Preflight, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as open_one:
        port = open_one.getsockname()[1]
        both = [(socket.AF_INET, 0, 0, "", ("127.0.0.1", port)), (socket.AF_INET6, 0, 0, "", ("::1", port, 0, 0))]
        monkeypatch.setattr(socket, "getaddrinfo", partial(_named, "store.example", both, socket.getaddrinfo))
        record = preflight(endpoint=f"http://store.example:{port}", timeout_s=0.5)
    (finding,) = (each for each in record.findings if each.name == "tcp")
    assert finding.outcome is Outcome.WARN
    assert finding.seen.startswith(f"::1 port {port} ")
    assert "network.addresses" in finding.cure


def _named(name: str, answer: list[Any], real: Callable[..., Any], host: str, *arguments: Any, **options: Any) -> Any:
    return answer if host == name else real(host, *arguments, **options)


def test_an_address_that_swallows_packets_exits_4_within_the_timeout(preflight: Preflight) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # with its queue full, the kernel drops what else comes, as a firewall does
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        record = preflight(endpoint=f"https://127.0.0.1:{port}", timeout_s=0.5)
        for one in waiting:
            one.close()
    assert record.exit_code == 4
    assert last(record).seen == f"127.0.0.1 port {port} swallows packets: no answer within 0.5 s"
    assert record.checks[0].seconds < 2


CERTIFICATES: dict[str, tuple[dict[str, Any], bool, str, str]] = {
    "expired": ({"days": -1}, True, "tls_expiry", "the certificate is not valid now (certificate has expired)"),
    "self-signed": (
        {"issuer": None},
        True,
        "tls_chain",
        "the certificate is self-signed and not the one that is trusted (self-signed certificate)",
    ),
    "wrong host": (
        {"hosts": ("store.example",)},
        True,
        "tls_name",
        "127.0.0.1 is not in the certificate (IP address mismatch, certificate is not valid for '127.0.0.1')",
    ),
    "wrong CA": (
        {},
        False,
        "tls_chain",
        "the certificate is signed by another CA than the one that is trusted (unable to get local issuer certificate)",
    ),
}


@pytest.mark.parametrize("case", CERTIFICATES)
def test_a_certificate_that_milvus_could_not_trust_exits_1(preflight: Preflight, authority: Made, tmp_path: Path, case: str) -> None:
    changes, trusted, name, seen = CERTIFICATES[case]
    tls = certificates.make(tmp_path, **{"issuer": authority, **changes})
    other = certificates.make(tmp_path, "other", hosts=("other.example",))
    with serving(tls) as port:
        record = preflight(endpoint=f"https://127.0.0.1:{port}", ca_file=authority.crt_file if trusted else other.crt_file)
    assert record.exit_code == 1
    assert (last(record).name, last(record).seen) == (name, seen)
    assert last(record).consequence == "Milvus would end every connection to the store before the first request"
    assert last(record).cure


def test_http_on_an_https_port_exits_1(preflight: Preflight, authority: Made, tmp_path: Path) -> None:
    with serving(certificates.make(tmp_path, issuer=authority)) as port:
        record = preflight(endpoint=f"http://127.0.0.1:{port}")
    assert record.exit_code == 1
    assert last(record).seen.startswith(f"what listens on port {port} does not speak HTTP (")
    assert last(record).cure == f"if it is an https port, write: --endpoint https://127.0.0.1:{port}"


def test_https_on_an_http_port_exits_1(preflight: Preflight) -> None:
    with serving() as port:
        record = preflight(endpoint=f"https://127.0.0.1:{port}")
    assert record.exit_code == 1
    assert last(record).seen == f"what listens on port {port} does not speak TLS (WRONG_VERSION_NUMBER)"
    assert f"--endpoint http://127.0.0.1:{port}" in last(record).cure


def test_a_tls_that_is_too_old_is_named_and_nobody_is_sent_away_from_tls(preflight: Preflight, authority: Made, tmp_path: Path) -> None:
    with serving(certificates.make(tmp_path, issuer=authority), ssl.TLSVersion.TLSv1_1) as port:
        record = preflight(endpoint=f"https://127.0.0.1:{port}", ca_file=authority.crt_file)
    assert (record.exit_code, last(record).name) == (1, "tls")
    assert last(record).seen.startswith("the store speaks TLSv1.1 at most (")
    assert last(record).cure == "let the store speak TLS 1.2 or newer"


def test_a_ca_file_that_lacks_the_root_is_told_as_that(preflight: Preflight, authority: Made, tmp_path: Path) -> None:
    below = certificates.make(tmp_path, "below", issuer=authority, authority=True)
    tls = certificates.make(tmp_path, issuer=below)
    tls.crt_file.write_text(tls.pem + below.pem)
    with serving(tls) as port:
        record = preflight(endpoint=f"https://127.0.0.1:{port}", ca_file=below.crt_file)
    assert (record.exit_code, last(record).name) == (1, "tls_chain")
    assert last(record).seen.startswith("the CA file holds an authority below the root, and not the root itself (")
    assert "add the root's certificate" in last(record).cure


@pytest.mark.parametrize(("days", "outcome"), [(20, Outcome.WARN), (60, Outcome.PASS)])
def test_a_certificate_that_ends_within_30_days_is_a_warning(
    preflight: Preflight, authority: Made, tmp_path: Path, days: int, outcome: Outcome
) -> None:
    with serving(certificates.make(tmp_path, issuer=authority, days=days)) as port:
        record = preflight(endpoint=f"https://127.0.0.1:{port}", ca_file=authority.crt_file)
    found = {one.name: one for one in record.findings}
    assert found["tls_expiry"].outcome is outcome
    assert f"{days - 1} days" in found["tls_expiry"].seen
    assert found["tls"].seen.endswith("chain and name verified with the private CA")


@pytest.mark.parametrize(
    ("minutes", "outcome", "seen"),
    [
        (20, Outcome.FAIL, "this machine is 1200 s ahead of the store"),
        (-20, Outcome.FAIL, "this machine is 1200 s behind the store"),
        (5, Outcome.WARN, "this machine is 300 s ahead of the store"),
    ],
)
def test_a_clock_that_is_off_is_found_before_any_signature_fails(preflight: Preflight, minutes: int, outcome: Outcome, seen: str) -> None:
    with serving() as port:
        record = preflight(endpoint=f"http://127.0.0.1:{port}", now=lambda: datetime.now(UTC) + timedelta(minutes=minutes))
    clock = next(one for one in record.findings if one.name == "clock")
    assert clock.outcome is outcome
    assert abs(int(clock.seen.split()[3]) - int(seen.split()[3])) <= 1
    assert clock.seen.split()[4:] == seen.split()[4:]
    assert "chrony" in clock.cure


def test_an_endpoint_in_clear_text_is_a_warning(preflight: Preflight) -> None:
    with serving() as port:
        record = preflight(endpoint=f"http://127.0.0.1:{port}")
    assert next(one for one in record.findings if one.name == "tls").outcome is Outcome.WARN
    assert last(record).seen == "the store does not know the access key: HTTP 403 InvalidAccessKeyId (no such key)"
