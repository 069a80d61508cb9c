"""Certificates of the lab."""

import datetime as dt
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from lab import pki
from lab.pki import make_pki, renew, write_kubeconfig
from lab.places import network


def test_the_store_answers_for_its_address_and_is_vouched_for_by_the_store_authority_alone(tmp_path: Path) -> None:
    make_pki(tmp_path / "pki", network())
    store = x509.load_pem_x509_certificate((tmp_path / "pki" / "store.crt").read_bytes())
    authority = x509.load_pem_x509_certificate((tmp_path / "pki" / "store-ca.crt").read_bytes())
    store.verify_directly_issued_by(authority)
    names = store.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [network().node]


def test_openssl_accepts_the_authority_and_the_key_that_belongs_to_the_certificate(tmp_path: Path) -> None:
    make_pki(tmp_path / "pki", network())
    context = ssl.create_default_context(cafile=str(tmp_path / "pki" / "cluster-ca.crt"))
    context.load_cert_chain(tmp_path / "pki" / "admin.crt", tmp_path / "pki" / "admin.key")
    assert context.cert_store_stats()["x509_ca"] == 1


def test_no_key_and_no_credential_can_be_read_by_others(tmp_path: Path) -> None:
    make_pki(tmp_path / "pki", network())
    write_kubeconfig(tmp_path / "config", tmp_path / "pki", "admin", network())
    secret = [*(tmp_path / "pki").glob("*.key"), tmp_path / "pki" / "credentials", tmp_path / "config"]
    assert len(secret) == 9
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}


def test_keys_once_made_are_kept(tmp_path: Path) -> None:
    make_pki(tmp_path / "pki", network())
    before = (tmp_path / "pki" / "credentials").read_text()
    make_pki(tmp_path / "pki", network())
    assert (tmp_path / "pki" / "credentials").read_text() == before


def test_half_made_keys_of_a_killed_run_are_made_anew(tmp_path: Path) -> None:
    (tmp_path / "pki.partial").mkdir()
    (tmp_path / "pki.partial" / "store.key").write_text("half")
    make_pki(tmp_path / "pki", network())
    assert "PRIVATE KEY" in (tmp_path / "pki" / "store.key").read_text()


def _handshake(home: Path) -> str:
    """Return what a client that trusts the store's authority says of its certificate, "" where it is satisfied: real TLS, in memory."""
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(home / "store.crt", home / "store.key")
    server = server_context.wrap_bio(there, here, server_side=True)
    client = ssl.create_default_context(cafile=str(home / "store-ca.crt")).wrap_bio(here, there, server_hostname=str(network().node))
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
    return ""


def test_certificates_that_expired_are_renewed_with_the_keys_that_everybody_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "pki"
    monkeypatch.setattr(pki, "VALID_DAYS", 0)
    make_pki(home, network())
    monkeypatch.undo()
    keys = {path.name: path.read_bytes() for path in [*home.glob("*.key"), home / "credentials"]}
    old = pki.fingerprint(home)
    assert _handshake(home) == "certificate has expired"
    renewed = renew(home, network(), dt.datetime.now(dt.UTC))
    assert sorted(renewed) == ["admin", "apiserver", "cluster-ca", "kubelet", "store", "store-ca"]
    assert _handshake(home) == ""
    assert {path.name: path.read_bytes() for path in [*home.glob("*.key"), home / "credentials"]} == keys
    assert pki.fingerprint(home) != old
    assert renew(home, network(), dt.datetime.now(dt.UTC)) == []


def test_one_certificate_that_ends_within_a_month_is_renewed_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "pki"
    make_pki(home, network())
    before = {path.name: path.read_bytes() for path in home.glob("*.crt")}
    monkeypatch.setattr(pki, "VALID_DAYS", 7)
    key = pki._read_key(home / "store-ca.key")
    leaf = pki._authorities(network())["store-ca"][0]
    pki._issue(home, leaf, pki._authority_name("store-ca"), key, pki._read_key(home / "store.key"))
    monkeypatch.undo()
    assert renew(home, network(), dt.datetime.now(dt.UTC)) == ["store"]
    after = {path.name: path.read_bytes() for path in home.glob("*.crt")}
    assert {name for name in before if before[name] != after[name]} == {"store.crt"}
    assert _handshake(home) == ""
