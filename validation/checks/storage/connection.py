"""The way to the store: the name and every address of the endpoint, a handshake as Milvus makes it, and the clocks of both ends.

Chain, name and expiry of the certificate are judged, and the protocol at all; signatures die of a difference of clocks.
"""

import http.client
import socket
import ssl
import time
import warnings
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.record import BlockedError
from validation.checks.storage.store import CUT
from validation.judge.outcome import Outcome
from validation.run.record import Facts

_MILVUS_CONNECT_S = 1.0
"""Milvus gives a connection to S3 one second, ten times (milvus pull request 48941)."""
_WARN_DAYS = 30
_EXPIRED, _NOT_YET, _SELF_SIGNED, _OTHER_ROOT = 10, 9, 18, 19
_NAMES = frozenset({62, 64})
"""OpenSSL's X509_V_ERR codes: the host name, or the address, is not in the certificate."""
_SPEAKS_TLS = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "SSLV3_ALERT_HANDSHAKE_FAILURE", "NO_PROTOCOLS_AVAILABLE"})
_IDLE_S = 3.0
_CUTS = 3
"""Cut connections in one run from which on it is no accident."""
_NO_CONNECTION = "Milvus would end every connection to the store before the first request"
_SKEW_REFUSED = timedelta(minutes=15)
"""S3 refuses a signature that is older or newer (RequestTimeTooSkewed)."""
_SKEW_WARN = timedelta(minutes=1)


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
            socket.create_connection((address, run.aim.port), timeout=run.aim.timeout_s).close()
        except OSError as error:
            failures[address] = _why(run, error)
        else:
            slowest_s = max(slowest_s, time.monotonic() - begin)
    _judge_addresses(run, addresses, failures, slowest_s)


def _resolve(run: StoreContext) -> list[str]:
    host = run.aim.host
    try:
        infos = socket.getaddrinfo(host, run.aim.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        seen = f"the name {host} does not resolve here ({error})"
        cure = f"correct object_store.endpoint, or the name server that this place asks; try: getent hosts {host}"
        raise run.record.block("dns", seen, "no pod of Milvus would find the store", cure, Outcome.UNREACHABLE) from None
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


def _why(run: StoreContext, error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"swallows packets: no answer within {run.aim.timeout_s:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "refuses the connection: nothing listens on this port"
    return f"cannot be reached ({error})"


def _judge_addresses(run: StoreContext, addresses: list[str], failures: dict[str, str], slowest_s: float) -> None:
    port, record = run.aim.port, run.record
    seen = "; ".join(f"{address} port {port} {why}" for address, why in failures.items())
    cure = f"correct the port, or let {port}/tcp through firewall and network policies; try: curl -v {run.aim.endpoint}"
    if len(failures) == len(addresses):
        raise record.block("tcp", seen, "Milvus would repeat for ever and never become ready", cure, Outcome.UNREACHABLE)
    if failures:
        record.warn("tcp", seen, "Milvus would lose a second and more whenever it picks that address", cure)
    elif slowest_s > _MILVUS_CONNECT_S:
        record.warn("tcp", f"connecting took {slowest_s:.1f} s", "Milvus gives up on a connection after 1 s", "bring the store nearer")
    else:
        record.ok("tcp", f"port {port} open, connected in {slowest_s * 1e3:.1f} ms")


def ssl_context(run: StoreContext) -> ssl.SSLContext:
    """Return what a connection to this store is verified with."""
    return ssl.create_default_context(cadata=run.aim.ca_pem or None)


@STORE.check("tls", "Is the certificate one that Milvus can trust, for this name, and for long enough?", after="endpoint")
def tls(run: StoreContext, _facts: Facts) -> None:
    """Raise BlockedError when Milvus could not shake hands."""
    if not run.aim.is_tls:
        consequence = "documents and vectors cross the network in clear text, and the blueprint refuses such an endpoint"
        cure = "give the store a certificate, then https:// in object_store.endpoint"
        run.record.warn("tls", f"{run.aim.endpoint} is not encrypted", consequence, cure)
        return
    trust = ssl_context(run)
    _judge_expiry(run, "tls_expiry", "the store's certificate", _handshake(run, trust))
    for authority in trust.get_ca_certs() if run.aim.ca_pem else []:
        _judge_expiry(run, "tls_ca_expiry", "the CA's certificate", authority)


def _handshake(run: StoreContext, trust: ssl.SSLContext) -> "ssl._PeerCertRetDictType":
    aim = run.aim
    try:
        with (
            socket.create_connection((aim.host, aim.port), timeout=aim.timeout_s) as plain,
            trust.wrap_socket(plain, server_hostname=aim.host) as connection,
        ):
            run.record.ok("tls", f"{connection.version()}, chain and name verified" + (" with the private CA" if aim.ca_pem else ""))
            return connection.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        raise _untrusted(run, error) from None
    except ssl.SSLError as error:
        if old := _old_version(run):
            seen = f"the store speaks {old} at most ({error.reason}); TLS 1.2 is the least that Milvus and every client here accept"
            raise run.record.block("tls", seen, _NO_CONNECTION, "let the store speak TLS 1.2 or newer") from None
        reason = str(error.reason or error)
        if error.reason in _SPEAKS_TLS:
            seen = f"the store and this client agree on no version or cipher of TLS ({reason})"
            raise run.record.block("tls", seen, _NO_CONNECTION, "let the store speak TLS 1.2 or newer, with its usual ciphers") from None
    except TimeoutError:
        reason = f"no handshake within {aim.timeout_s:g} s"
    except OSError as error:
        reason = str(error)
    seen = f"what listens on port {aim.port} does not speak TLS ({reason})"
    cure = f"give the store's https port; if it has none: --endpoint http://{aim.host}:{aim.port}"
    raise run.record.block("tls", seen, _NO_CONNECTION, cure)


def _old_version(run: StoreContext) -> str:
    """Return the version of TLS that the store speaks where it is one that nobody accepts any more; "" where it speaks none."""
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    try:
        with (
            socket.create_connection((run.aim.host, run.aim.port), timeout=run.aim.timeout_s) as plain,
            old.wrap_socket(plain, server_hostname=run.aim.host) as connection,
        ):
            return connection.version() or ""
    except OSError:
        return ""


def _lacks_root(run: StoreContext) -> bool:
    """Whether the chain holds as soon as an authority that is not a root is trusted by itself, as Go does it."""
    trust = ssl_context(run)
    trust.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        with (
            socket.create_connection((run.aim.host, run.aim.port), timeout=run.aim.timeout_s) as plain,
            trust.wrap_socket(plain, server_hostname=run.aim.host),
        ):
            return True
    except OSError:
        return False


def _untrusted(run: StoreContext, error: ssl.SSLCertVerificationError) -> BlockedError:
    host, message = run.aim.host, error.verify_message.rstrip(".")
    if error.verify_code in {_EXPIRED, _NOT_YET}:
        cure = "renew the store's certificate, or set this machine's clock"
        return run.record.block("tls_expiry", f"the certificate is not valid now ({message})", _NO_CONNECTION, cure)
    if error.verify_code in _NAMES:
        cure = "use a name that it holds, or have the store's certificate made for it"
        return run.record.block("tls_name", f"{host} is not in the certificate ({message})", _NO_CONNECTION, cure)
    if run.aim.ca_pem and _lacks_root(run):
        seen = f"the CA file holds an authority below the root, and not the root itself ({message})"
        consequence = "Milvus itself would take it (by reading Go, not tried); the suite and other clients in Python refuse the store"
        return run.record.block(
            "tls_chain", seen, consequence, "add the root's certificate to the file of --ca-file and object_store.ca_file"
        )
    if error.verify_code == _SELF_SIGNED:
        seen = f"the certificate is self-signed and not the one that is trusted ({message})"
    elif error.verify_code == _OTHER_ROOT:
        seen = f"the chain ends in a root that is not trusted ({message})"
    else:
        seen = f"the certificate is signed by another CA than the one that is trusted ({message})"
    see = f"openssl s_client -showcerts -connect {host}:{run.aim.port}"
    cure = f"--ca-file, and object_store.ca_file, must be the CA that signed it; see it: {see}"
    return run.record.block("tls_chain", seen, _NO_CONNECTION, cure)


def _judge_expiry(run: StoreContext, name: str, what: str, certificate: "ssl._PeerCertRetDictType") -> None:
    end = certificate.get("notAfter")
    if not isinstance(end, str):
        return
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(end), UTC)
    days = (until - run.now()).days
    seen = f"{what} is valid until {until:%Y-%m-%d}, {days} days"
    if days < _WARN_DAYS:
        cure = "renew it, and put its renewal into your calendar or your monitoring"
        run.record.warn(name, seen, "on that day Milvus loses its store", cure)
    else:
        run.record.ok(name, seen)


@STORE.check("clock", "Do this machine's clock and the store's agree?", after="tls")
def clock(run: StoreContext, _facts: Facts) -> None:
    """Raise BlockedError when no signature could be valid, or what answers is no HTTP server."""
    before = run.now()
    date, server = _ask_unsigned(run)
    middle = before + (run.now() - before) / 2
    if server:
        run.record.versions["store"] = server
    if date is None:
        run.record.skip("clock", "the store's answer carries no Date")
        return
    skew = middle - date
    seen = f"this machine is {abs(skew.total_seconds()):.0f} s {'ahead of' if skew > timedelta() else 'behind'} the store"
    if abs(skew) >= _SKEW_REFUSED:
        consequence = "the store refuses every signature that is 15 minutes off"
        raise run.record.block("clock", seen, consequence, "set the clock, for example with chrony, on every node")
    if abs(skew) >= _SKEW_WARN:
        run.record.warn("clock", seen, "at 15 minutes the store refuses every request", "let chrony or another NTP client keep the clock")
    else:
        run.record.ok("clock", seen)


def connect(run: StoreContext, timeout_s: float) -> http.client.HTTPConnection:
    """Return a connection of our own to the store, which nothing repeats or reopens."""
    aim = run.aim
    if aim.is_tls:
        return http.client.HTTPSConnection(aim.host, aim.port, timeout=timeout_s, context=ssl_context(run))
    return http.client.HTTPConnection(aim.host, aim.port, timeout=timeout_s)


@STORE.check("connections", "Do connections last, idle and in the middle of a body?", after="lasting")
def connections(run: StoreContext, _facts: Facts) -> None:
    """Leave a connection idle for a while, and count those of the whole run that were cut."""
    cuts = Counter(reason for _, reason in run.store.repeats if reason.startswith(CUT))
    times = sum(cuts.values())
    seen = ", ".join(f"{reason} ({number} times)" for reason, number in cuts.items())
    cure = "look at proxies, load balancers and the network between here and the store"
    if times >= _CUTS:
        run.record.fail("connections", seen, "Milvus fails to load or to write what does not arrive whole", cure)
    elif times:
        run.record.warn("connections", seen, "Milvus repeats, and is slow meanwhile", cure)
    else:
        _judge_idle(run, cure)


def _judge_idle(run: StoreContext, cure: str) -> None:
    connection, bucket = connect(run, run.aim.timeout_s), {"Bucket": run.aim.bucket}
    url = urlsplit(run.store.s3.generate_presigned_url("head_bucket", Params=bucket, ExpiresIn=60))
    try:
        _head(connection, f"{url.path}?{url.query}")
        if connection.sock is None:
            run.record.ok("connections", "none was cut; the store ends each one after its answer, and says so")
            return
        time.sleep(_IDLE_S)
        _head(connection, f"{url.path}?{url.query}")
    except (OSError, http.client.HTTPException) as error:
        seen = f"a connection that is idle for {_IDLE_S:g} s is cut ({type(error).__name__})"
        run.record.warn("connections", seen, "Milvus connects anew after each pause, and a request may meet the cut", cure)
    else:
        run.record.ok("connections", f"none was cut, nor one that was idle for {_IDLE_S:g} s")
    finally:
        connection.close()


def _head(connection: http.client.HTTPConnection, path: str) -> None:
    connection.request("HEAD", path)
    connection.getresponse().read()


def _ask_unsigned(run: StoreContext) -> tuple[datetime | None, str]:
    """Send one unsigned HEAD; whatever its status, the answer has a date. Return it, and the name of the server."""
    aim, connection = run.aim, connect(run, run.aim.timeout_s)
    try:
        connection.request("HEAD", "/")
        answer = connection.getresponse()
    except (http.client.HTTPException, ConnectionResetError) as error:
        seen = f"what listens on port {aim.port} does not speak HTTP ({type(error).__name__})"
        cure = f"if it is an https port, write: --endpoint https://{aim.host}:{aim.port}"
        raise run.record.block("http", seen, "Milvus would not get a single answer", cure) from None
    except OSError as error:
        seen = f"the store takes a connection and does not answer ({error})"
        cure = "see whether the store is healthy"
        raise run.record.block("http", seen, "Milvus would wait for ever", cure, Outcome.UNREACHABLE) from None
    finally:
        connection.close()
    server = answer.getheader("Server", "")
    try:
        return parsedate_to_datetime(answer.getheader("Date", "")).astimezone(UTC), server
    except ValueError:
        return None, server
