"""The way to the store: every address of the endpoint, a handshake as Milvus makes it with chain, name and expiry, and both clocks."""

import http.client
import socket
import ssl
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.record import BlockedError
from validation.checks.storage.store import CUT
from validation.judge.errors import Outcome, text_of
from validation.run.record import Facts

_MILVUS_CONNECT_S = 1.0  # Milvus gives a connection to S3 one second, ten times (milvus pull request 48941)
_WARN_DAYS = 30
_NOT_NOW, _NAMES = frozenset({9, 10}), frozenset({62, 64})
"""OpenSSL's X509_V_ERR codes: not yet valid or expired; the host name, or the address, is not in the certificate."""
_CHAIN = {18: "the certificate is self-signed and not the one that is trusted", 19: "the chain ends in a root that is not trusted"}
_SPEAKS_TLS = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "SSLV3_ALERT_HANDSHAKE_FAILURE", "NO_PROTOCOLS_AVAILABLE"})
_IDLE_S = 3.0
_CUTS = 3  # cut connections in one run from which on it is no accident
_SKEW_REFUSED = timedelta(minutes=15)  # S3 refuses a signature that is older or newer (RequestTimeTooSkewed)
_SKEW_WARN = timedelta(minutes=1)


@STORE.check()
def endpoint(run: StoreContext, _facts: Facts) -> None:
    """Does the endpoint's name resolve, and does something listen at each of its addresses?"""
    host, port, record = run.aim.host, run.aim.port, run.record
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise record.block("dns", f"the name {host} does not resolve here ({error})", Outcome.UNREACHABLE, host=host) from None
    addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
    record.ok("dns", f"{host} is {', '.join(addresses)}")
    failures, slowest_s = list[str](), 0.0
    for address in addresses:
        begin = time.monotonic()
        try:
            socket.create_connection((address, port), timeout=run.aim.timeout_s).close()
            slowest_s = max(slowest_s, time.monotonic() - begin)
        except OSError as error:
            failures.append(f"{address} port {port} {_why(run, error)}")
    seen = "; ".join(failures)
    if len(failures) == len(addresses):
        raise record.block("tcp.closed", seen, Outcome.UNREACHABLE, port=port)
    if failures:
        record.warn("tcp.partly", seen, port=port)
    else:
        fine = f"port {port} open, connected in {slowest_s * 1e3:.1f} ms"
        record.warn_if("tcp.slow", slowest_s > _MILVUS_CONNECT_S, f"connecting took {slowest_s:.1f} s", fine)


def _why(run: StoreContext, error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"swallows packets: no answer within {run.aim.timeout_s:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "refuses the connection: nothing listens on this port"
    return f"cannot be reached ({error})"


def ssl_context(run: StoreContext) -> ssl.SSLContext:
    """Return what a connection to this store is verified with."""
    return ssl.create_default_context(cadata=run.aim.ca_pem or None)


@STORE.check(after="endpoint")
def tls(run: StoreContext, _facts: Facts) -> None:
    """Is the certificate one that Milvus can trust, for this name, and for long enough?"""
    if not run.aim.is_tls:
        run.record.warn("tls.plain", f"{run.aim.endpoint} is not encrypted")
        return
    trust = ssl_context(run)
    certificates = [("tls_expiry", "the store's certificate", _handshake(run, trust))]
    certificates += [("tls_ca_expiry", "the CA's certificate", each) for each in (trust.get_ca_certs() if run.aim.ca_pem else [])]
    for name, what, certificate in certificates:
        if isinstance(end := certificate.get("notAfter"), str):
            until = datetime.fromtimestamp(ssl.cert_time_to_seconds(end), UTC)
            days = (until - run.now()).days
            run.record.warn_if(name, days < _WARN_DAYS, f"{what} is valid until {until:%Y-%m-%d}, {days} days")


@contextmanager
def _tls_connection(run: StoreContext, trust: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection((run.aim.host, run.aim.port), timeout=run.aim.timeout_s) as plain,
        trust.wrap_socket(plain, server_hostname=run.aim.host) as connection,
    ):
        yield connection


def _handshake(run: StoreContext, trust: ssl.SSLContext) -> "ssl._PeerCertRetDictType":
    aim = run.aim
    try:
        with _tls_connection(run, trust) as connection:
            run.record.ok("tls", f"{connection.version()}, chain and name verified" + (" with the private CA" if aim.ca_pem else ""))
            return connection.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        raise _untrusted(run, error) from None
    except ssl.SSLError as error:
        if old := _old_version(run):
            raise run.record.block("tls.old", text_of("seen.old_tls", old=old, reason=error.reason)) from None
        reason = str(error.reason or error)
        if error.reason in _SPEAKS_TLS:
            raise run.record.block("tls.no_cipher", f"the store and this client agree on no version or cipher of TLS ({reason})") from None
    except TimeoutError:
        reason = f"no handshake within {aim.timeout_s:g} s"
    except OSError as error:
        reason = str(error)
    raise run.record.block("tls.not_spoken", text_of("seen.no_tls", port=aim.port, reason=reason), host=aim.host, port=aim.port)


def _old_version(run: StoreContext) -> str:
    """Return the version of TLS that the store speaks where it is one that nobody accepts any more; "" where it speaks none."""
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with suppress(OSError), _tls_connection(run, old) as connection:
        return connection.version() or ""
    return ""


def _lacks_root(run: StoreContext) -> bool:
    """Whether the chain holds as soon as an authority that is not a root is trusted by itself, as Go does it."""
    trust = ssl_context(run)
    trust.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with suppress(OSError), _tls_connection(run, trust):
        return True
    return False


def _untrusted(run: StoreContext, error: ssl.SSLCertVerificationError) -> BlockedError:
    host, message = run.aim.host, error.verify_message.rstrip(".")
    if error.verify_code in _NOT_NOW:
        return run.record.block("tls_expiry.now", f"the certificate is not valid now ({message})")
    if error.verify_code in _NAMES:
        return run.record.block("tls_name", f"{host} is not in the certificate ({message})")
    if run.aim.ca_pem and _lacks_root(run):
        return run.record.block("tls_chain.no_root", f"the CA file holds an authority below the root, and not the root itself ({message})")
    seen = _CHAIN.get(error.verify_code, "the certificate is signed by another CA than the one that is trusted")
    return run.record.block("tls_chain.other", f"{seen} ({message})", host=host, port=run.aim.port)


@STORE.check(after="tls")
def clock(run: StoreContext, _facts: Facts) -> None:
    """Do this machine's clock and the store's agree?"""
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
        raise run.record.block("clock.refused", seen)
    run.record.warn_if("clock.off", abs(skew) >= _SKEW_WARN, seen)


def connect(run: StoreContext, timeout_s: float) -> http.client.HTTPConnection:
    """Return a connection of our own to the store, which nothing repeats or reopens."""
    aim = run.aim
    if aim.is_tls:
        return http.client.HTTPSConnection(aim.host, aim.port, timeout=timeout_s, context=ssl_context(run))
    return http.client.HTTPConnection(aim.host, aim.port, timeout=timeout_s)


@STORE.check(after="lasting")
def connections(run: StoreContext, _facts: Facts) -> None:
    """Do connections last, idle and in the middle of a body?"""
    cuts = Counter(reason for _, reason in run.store.repeats if reason.startswith(CUT))
    times = sum(cuts.values())
    seen = ", ".join(f"{reason} ({number} times)" for reason, number in cuts.items())
    if times >= _CUTS:
        run.record.fail("connections.often", seen)
        return
    if times:
        run.record.warn("connections.cut", seen)
        return
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
        run.record.warn("connections.idle", f"a connection that is idle for {_IDLE_S:g} s is cut ({type(error).__name__})")
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
        raise run.record.block("http.not_spoken", seen, host=aim.host, port=aim.port) from None
    except OSError as error:
        raise run.record.block("http.silent", text_of("seen.silent", error=error), Outcome.UNREACHABLE) from None
    finally:
        connection.close()
    server = answer.getheader("Server", "")
    try:
        return parsedate_to_datetime(answer.getheader("Date", "")).astimezone(UTC), server
    except ValueError:
        return None, server
