"""Certificates of the lab."""

import ssl
import stat
from pathlib import Path

from cryptography import x509

from lab.pki import make_pki, write_kubeconfig
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
