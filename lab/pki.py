"""Keys and certificates of the lab, made once and whole; two authorities, for a cluster knows nothing of the private CA of a store."""

import datetime as dt
import hashlib
import json
import secrets
import shutil
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path
from string import Template
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.errors import LabError
from lab.places import NETWORK, Network, write_whole

VALID_DAYS = 3650
RENEW_BEFORE = dt.timedelta(days=30)
PrivateKey = ec.EllipticCurvePrivateKey


class Leaf(NamedTuple):
    """One certificate to issue: file name, subject, and the names and addresses that it answers for."""

    file: str
    common_name: str
    organization: str = ""
    names: Sequence[str] = ()
    addresses: Sequence[IPv4Address] = ()


def make_pki(home: Path, net: Network) -> None:
    """Write the authorities, all certificates, the service account key and what the store's administrators need under `home`."""
    if home.exists():
        return
    partial = home.with_name(f"{home.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    for authority, leaves in _authorities(net).items():
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(partial / f"{authority}.key", key)
        _write_authority(partial, authority, key)
        for leaf in leaves:
            leaf_key = ec.generate_private_key(ec.SECP256R1())
            _write_key(partial / f"{leaf.file}.key", leaf_key)
            _issue(partial, leaf, _authority_name(authority), key, leaf_key)
    service_accounts = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _write_key(partial / "service-accounts.key", service_accounts)
    public = service_accounts.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (partial / "service-accounts.pub").write_bytes(public)
    access_key, secret_key = f"LAB{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30)
    write_secret(partial / "credentials", f"[lab-admin]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n")
    client = f"client_id = {secrets.token_hex(8)}\nclient_secret = {secrets.token_urlsafe(30)}"  # of the GreenLake emulator
    write_secret(partial / "greenlake", f"[lab]\n{client}\n")
    (partial / NETWORK.name).write_text(json.dumps(net.ranges) + "\n")
    partial.rename(home)


def renew(home: Path, net: Network, now: dt.datetime) -> list[str]:
    """Issue anew what has expired or will within RENEW_BEFORE, and return its names; every key stays, so whoever trusts it goes on to."""
    ending = [path.stem for path in sorted(home.glob("*.crt")) if end_of(path) < now + RENEW_BEFORE]
    for authority, leaves in _authorities(net).items():
        subject = _authority_name(authority)
        key = _read_key(home / f"{authority}.key")
        if authority in ending:
            _write_authority(home, authority, key)
        for leaf in leaves:
            if leaf.file in ending:
                _issue(home, leaf, subject, key, _read_key(home / f"{leaf.file}.key"))
    return ending


def end_of(certificate: Path) -> dt.datetime:
    """Return when a certificate expires."""
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc


def fingerprint(home: Path) -> str:
    """Return what tells these certificates from others: parts that were started with others do not see new ones."""
    digest = hashlib.sha256()
    for path in sorted(home.glob("*.crt")):
        digest.update(path.read_bytes())
    return f"certificates-{digest.hexdigest()[:12]}"


def _authorities(net: Network) -> dict[str, list[Leaf]]:
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    addresses = (IPv4Address("127.0.0.1"), net.node, net.services[1])
    cluster = [
        Leaf("apiserver", "kube-apiserver", names=("localhost", *service), addresses=addresses),
        Leaf("admin", "admin", "system:masters"),
        Leaf("kubelet", "system:node:lab", "system:nodes", names=("lab",), addresses=(net.node,)),
    ]
    return {"cluster-ca": cluster, "store-ca": [Leaf("store", "lab object store", names=("localhost",), addresses=(net.node,))]}


def _authority_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"milvus-x10000 {name}")])


def _write_authority(home: Path, name: str, key: PrivateKey) -> None:
    subject = _authority_name(name)
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only")
    usage = x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **dict.fromkeys(others, False))
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    _sign(home / f"{name}.crt", subject, key, subject, key, x509.BasicConstraints(ca=True, path_length=0), usage, identifier)


def _issue(home: Path, leaf: Leaf, issuer: x509.Name, issuer_key: PrivateKey, key: PrivateKey) -> None:
    named = ((NameOID.ORGANIZATION_NAME, leaf.organization), (NameOID.COMMON_NAME, leaf.common_name))
    subject = x509.Name([x509.NameAttribute(kind, text) for kind, text in named if text])
    extensions: list[x509.ExtensionType] = [
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
        x509.BasicConstraints(ca=False, path_length=None),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
    ]
    if alternative := [*map(x509.DNSName, leaf.names), *map(x509.IPAddress, leaf.addresses)]:
        extensions.append(x509.SubjectAlternativeName(alternative))
    _sign(home / f"{leaf.file}.crt", subject, key, issuer, issuer_key, *extensions)


def _sign(
    path: Path, subject: x509.Name, key: PrivateKey, issuer: x509.Name, issuer_key: PrivateKey, *extensions: x509.ExtensionType
) -> None:
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
    builder = builder.not_valid_after(now + dt.timedelta(days=VALID_DAYS))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints | x509.KeyUsage))
    write_whole(path, builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def _read_key(path: Path) -> PrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, PrivateKey):
        raise LabError(f"{path} is no key that the lab made", "./rag down; ./rag up")
    return key


def _write_key(path: Path, key: PrivateKey | rsa.RSAPrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    write_secret(path, pem.decode())


def write_secret(path: Path, text: str) -> None:
    """Write a file that only root can read, as a whole or not at all."""
    write_whole(path, text, 0o600)


def write_kubeconfig(path: Path, pki: Path, user: str, net: Network) -> None:
    """Write the kubeconfig of `user`, whose certificate is `<user>.crt`; paths in it are absolute."""
    template = Template(Path(__file__).with_name("kubeconfig.yaml").read_text())
    write_secret(path, template.substitute(NODE=net.node, PKI=pki, USER=user))
