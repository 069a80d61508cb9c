"""Shakes hands as Milvus will: chain, name and expiry of the certificate, and whether this is the right protocol at all."""

import socket
import ssl
from datetime import UTC, datetime

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.record import BlockedError
from validation.run.record import Facts

_WARN_DAYS = 30
_EXPIRED, _NOT_YET, _SELF_SIGNED, _OTHER_ROOT = 10, 9, 18, 19
_NAMES = frozenset({62, 64})
"""OpenSSL's X509_V_ERR codes: the host name, or the address, is not in the certificate."""
_BREAKS = "Milvus would end every connection to the store before the first request"


def context(run: StoreContext) -> ssl.SSLContext:
    """Return what a connection to this store is verified with."""
    return ssl.create_default_context(cadata=run.aim.ca_pem or None)


@STORE.check("tls", "Is the certificate one that Milvus can trust, for this name, and for long enough?", after="endpoint")
def tls(run: StoreContext, _facts: Facts) -> None:
    """Raise BlockedError when Milvus could not shake hands."""
    if not run.aim.is_tls:
        run.record.warn(
            "tls",
            f"{run.aim.endpoint} is not encrypted",
            "documents and vectors cross the network in clear text, and the blueprint refuses such an endpoint",
            "give the store a certificate, then https:// in object_store.endpoint",
        )
        return
    trust = context(run)
    certificate = _handshake(run, trust)
    _judge_expiry(run, "tls_expiry", "the store's certificate", certificate)
    for authority in trust.get_ca_certs() if run.aim.ca_pem else []:
        _judge_expiry(run, "tls_ca_expiry", "the CA's certificate", authority)


def _handshake(run: StoreContext, trust: ssl.SSLContext) -> "ssl._PeerCertRetDictType":
    aim = run.aim
    try:
        with (
            socket.create_connection((aim.host, aim.port), timeout=aim.limits.timeout_s) as plain,
            trust.wrap_socket(plain, server_hostname=aim.host) as tls,
        ):
            run.record.ok("tls", f"{tls.version()}, chain and name verified" + (" with the private CA" if aim.ca_pem else ""))
            return tls.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        raise _untrusted(run, error) from None
    except ssl.SSLError as error:
        raise _no_tls(run, str(error.reason or error)) from None
    except TimeoutError:
        raise _no_tls(run, f"no handshake within {aim.limits.timeout_s:g} s") from None
    except OSError as error:
        raise _no_tls(run, str(error)) from None


def _untrusted(run: StoreContext, error: ssl.SSLCertVerificationError) -> BlockedError:
    host, said = run.aim.host, error.verify_message.rstrip(".")
    if error.verify_code in {_EXPIRED, _NOT_YET}:
        return run.record.block(
            "tls_expiry",
            f"the certificate is not valid now ({said})",
            _BREAKS,
            "renew the store's certificate, or set this machine's clock",
        )
    if error.verify_code in _NAMES:
        return run.record.block(
            "tls_name",
            f"{host} is not in the certificate ({said})",
            _BREAKS,
            "use a name that it holds, or have the store's certificate made for it",
        )
    if error.verify_code == _SELF_SIGNED:
        seen = f"the certificate is self-signed and not the one that is trusted ({said})"
    elif error.verify_code == _OTHER_ROOT:
        seen = f"the chain ends in a root that is not trusted ({said})"
    else:
        seen = f"the certificate is signed by another CA than the one that is trusted ({said})"
    see = f"openssl s_client -showcerts -connect {host}:{run.aim.port}"
    cure = f"--ca-file, and object_store.ca_file, must be the CA that signed it; see it: {see}"
    return run.record.block("tls_chain", seen, _BREAKS, cure)


def _no_tls(run: StoreContext, said: str) -> BlockedError:
    return run.record.block(
        "tls",
        f"what listens on port {run.aim.port} does not speak TLS ({said})",
        _BREAKS,
        f"give the store's https port; if it has none: --endpoint http://{run.aim.host}:{run.aim.port}",
    )


def _judge_expiry(run: StoreContext, name: str, what: str, certificate: "ssl._PeerCertRetDictType") -> None:
    end = certificate.get("notAfter")
    if not isinstance(end, str):
        return
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(end), UTC)
    days = (until - run.now()).days
    seen = f"{what} is valid until {until:%Y-%m-%d}, {days} days"
    if days < _WARN_DAYS:
        run.record.warn(
            name, seen, "on that day Milvus loses its store", "renew it, and put its renewal into your calendar or your monitoring"
        )
    else:
        run.record.ok(name, seen)
