"""Keys and certificates of the lab: one authority for the cluster, another one for the object store.

Two, since a store's certificate is signed by a company's private CA that a cluster knows nothing about.
Made once per lab, all or nothing; keys are readable by root alone.
"""

import datetime as dt
import hashlib
import json
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.errors import LabError
from lab.places import NETWORK, Network, write_whole

VALID_DAYS = 3650
RENEW_BEFORE = dt.timedelta(days=30)
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One certificate to issue: file name, subject, and the names and addresses that it answers for."""

    file: str
    common_name: str
    organization: str = ""
    names: Sequence[str] = field(default_factory=tuple)
    addresses: Sequence[IPv4Address] = field(default_factory=tuple)


def make_pki(home: Path, net: Network) -> None:
    """Write the authorities, all certificates, the service account key and the object store's administrator under `home`."""
    if home.exists():
        return
    partial = home.with_name(f"{home.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    for authority, leaves in _authorities(net).items():
        _authority(partial, authority, leaves)
    service_accounts = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _write_key(partial / "service-accounts.key", service_accounts)
    public = service_accounts.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (partial / "service-accounts.pub").write_bytes(public)
    access_key, secret_key = f"LAB{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30)
    write_secret(partial / "credentials", f"[lab-admin]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n")
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
    store = Leaf(file="store", common_name="lab object store", names=["localhost"], addresses=[net.node])
    return {"cluster-ca": _cluster_leaves(net), "store-ca": [store]}


def _authority_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"milvus-x10000 {name}")])


def _cluster_leaves(net: Network) -> list[Leaf]:
    cluster = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    return [
        Leaf(
            file="apiserver",
            common_name="kube-apiserver",
            names=("localhost", *cluster),
            addresses=(IPv4Address("127.0.0.1"), net.node, net.services[1]),
        ),
        Leaf(file="admin", common_name="admin", organization="system:masters"),
        Leaf(file="kubelet", common_name="system:node:lab", organization="system:nodes", names=("lab",), addresses=(net.node,)),
    ]


def _authority(home: Path, name: str, leaves: Sequence[Leaf]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    _write_authority(home, name, key)
    for leaf in leaves:
        leaf_key = ec.generate_private_key(ec.SECP256R1())
        _issue(home, leaf, _authority_name(name), key, leaf_key)
        _write_key(home / f"{leaf.file}.key", leaf_key)
    _write_key(home / f"{name}.key", key)


def _write_authority(home: Path, name: str, key: ec.EllipticCurvePrivateKey) -> None:
    subject = _authority_name(name)
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only")
    usage = x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **dict.fromkeys(others, False))
    builder = _builder(subject, subject, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    _write_certificate(home, name, builder.sign(key, hashes.SHA256()))


def _issue(home: Path, leaf: Leaf, issuer: x509.Name, issuer_key: ec.EllipticCurvePrivateKey, key: ec.EllipticCurvePrivateKey) -> None:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, leaf.common_name)]
    if leaf.organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, leaf.organization))
    alternative = [*map(x509.DNSName, leaf.names), *map(x509.IPAddress, leaf.addresses)]
    both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = _builder(x509.Name(attributes), issuer, key).add_extension(both, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    if alternative:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternative), critical=False)
    _write_certificate(home, leaf.file, builder.sign(issuer_key, hashes.SHA256()))


def _write_certificate(home: Path, name: str, certificate: x509.Certificate) -> None:
    write_whole(home / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    named = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    begun = named.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
    return begun.not_valid_after(now + dt.timedelta(days=VALID_DAYS))


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    found = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise LabError(f"{path} is no key that the lab made", "./rag down; ./rag up")
    return found


def _write_key(path: Path, key: PrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    write_secret(path, pem.decode())


def write_secret(path: Path, text: str) -> None:
    """Write a file that only root can read, as a whole or not at all."""
    write_whole(path, text, 0o600)


def ensure_api_client(path: Path) -> None:
    """Write id and secret of the GreenLake emulator's API client, unless they are there."""
    if not path.exists():
        write_secret(path, f"[lab]\nclient_id = {secrets.token_hex(8)}\nclient_secret = {secrets.token_urlsafe(30)}\n")


def write_kubeconfig(path: Path, pki: Path, user: str, net: Network) -> None:
    """Write the kubeconfig of `user`, whose certificate is `<user>.crt`; paths in it are absolute."""
    cluster = {"server": f"https://{net.node}:6443", "certificate-authority": str(pki / "cluster-ca.crt")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": user, "user": {"client-certificate": str(pki / f"{user}.crt"), "client-key": str(pki / f"{user}.key")}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}],
        "current-context": "lab",
    }
    write_secret(path, yaml.safe_dump(config))
