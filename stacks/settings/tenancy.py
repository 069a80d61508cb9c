"""The frame: who may log in, what all pods of the namespace may take together, which addresses they may reach, and where data may go."""

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from components.quota import Quota
from stacks.settings.group import Group, setting
from stacks.settings.names import TABLES, OtherNamespace, PlainText, unless

_NO_RANGE = "is no range of addresses such as 10.1.2.0/24: {}"
_MOST_TENANTS = 30  # three users each, and Milvus has 100 at most
_HOST = re.compile(r"(\*\.)?([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z]{2,}|[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def _cidr(value: str, *, wrong: str = _NO_RANGE, why: str = "a policy with it allows everything") -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(wrong.format(error)) from None
    if network.prefixlen == 0:
        raise ValueError(f"is every address there is: {why}")
    if isinstance(network, ipaddress.IPv6Network) and (network.network_address.ipv4_mapped or network.network_address.scope_id):
        raise ValueError("is no range that a policy knows: write IPv4 as 10.1.2.0/24, and IPv6 without a zone (%)")
    return str(network)


Cidr = Annotated[str, AfterValidator(_cidr)]


_is_free = unless(lambda name: name not in TABLES["no_tenants"], "tenant_taken")
Tenant = Annotated[str, AfterValidator(unless(re.compile(r"[a-z][a-z0-9]{0,30}").fullmatch, "tenant")), AfterValidator(_is_free)]
Tenants = Annotated[tuple[Tenant, ...], AfterValidator(unless(lambda names: len({*names}) == len(names), "tenants"))]


def _place(value: str) -> str:
    wrong = "is no host (x10000.example.net), names below one (*.corp.example.net), or range (10.0.0.0/8)"
    return value if _HOST.fullmatch(value) else _cidr(value, wrong=wrong, why="nothing would be locked")


class AccessSettings(Group):
    """Who may reach Milvus, and log in to it besides root."""

    tenants: Tenants = setting((), '\'["sales", "legal"]\'', max_length=_MOST_TENANTS)
    """databases besides the default one, each with users to search, ingest and administer; needs milvus.authentication"""
    client_cidrs: tuple[Cidr, ...] = setting((), "'[\"10.20.0.0/16\"]'")
    """addresses outside the cluster from which clients may reach Milvus's port 19530; without them only labelled namespaces"""
    password_generation: int = setting(1, 2, "raise it by one for new passwords of all these users", ge=1, le=1_000_000)


class QuotaSettings(Group):
    """Most that all pods of the namespace may take together."""

    cpu_cores: float = setting(..., 16, "cores requested", gt=0, le=100_000)
    memory_gib: float = setting(..., 64, "memory requested, and its limit", gt=0, le=1_000_000)
    pods: int | None = setting(None, 30, "number of pods", ge=1, le=100_000)
    ephemeral_storage_gib: float | None = setting(None, 100, "requested on the nodes' own disks", gt=0, le=1_000_000)

    @property
    def quota(self) -> Quota:
        """As a component wants it."""
        return Quota(**self.model_dump())


class NetworkSettings(Group):
    """What network policies must be told."""

    addresses: dict[str, tuple[Cidr, ...]] = setting({}, '\'{"x10000.example.net": ["10.1.2.0/28"]}\'')
    """addresses of hosts that are known by name (the store, an external model), since a policy knows no names"""
    any_address: tuple[PlainText, ...] = setting((), "'[\"x10000.example.net\"]'")
    """hosts whose port may be reached at every address; with images_pinned=required, no other host that is known by name alone is taken"""
    dns_namespace: OtherNamespace = setting("kube-system", "openshift-dns", "namespace of the cluster's name server")
    dns_port: int = setting(53, 5353, "port of the name server's pods", ge=1, le=65535)
    dns_addresses: tuple[Cidr, ...] = setting((), "'[\"169.254.20.10/32\"]'")
    """addresses of a name server on the node, if pods are sent to one"""


class ResidencySettings(Group):
    """Where data may go."""

    mode: Literal["open", "locked"] = setting("open", "locked", "locked: no address that is not on the list, no hub, no telemetry")
    allowed: tuple[Annotated[str, AfterValidator(_place)], ...] = setting((), '\'["*.corp.example.net", "10.0.0.0/8"]\'')
    """hosts, names below a domain and ranges of addresses on premises"""
