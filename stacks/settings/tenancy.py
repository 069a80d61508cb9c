"""The frame: what all pods of the namespace may take together, and which addresses they may reach."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field

from components.quota import Quota
from stacks.names import OtherNamespace
from stacks.settings.group import Group


def _cidr(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f"is no range of addresses such as 10.1.2.0/24: {error}") from None
    if network.prefixlen == 0:
        raise ValueError("is every address there is: a policy with it allows everything")
    return str(network)


Cidr = Annotated[str, AfterValidator(_cidr)]


class QuotaSettings(Group):
    """Most that all pods of the namespace may take together."""

    cpu_cores: float = Field(gt=0, le=100_000, description="cores requested", examples=[16])
    memory_gib: float = Field(gt=0, le=1_000_000, description="memory requested, and its limit", examples=[64])
    pods: int | None = Field(default=None, ge=1, le=100_000, description="number of pods", examples=[30])
    ephemeral_storage_gib: float | None = Field(
        default=None, gt=0, le=1_000_000, description="requested on the nodes' own disks", examples=[100]
    )

    @property
    def quota(self) -> Quota:
        """As a component wants it."""
        return Quota(cpu_cores=self.cpu_cores, memory_gib=self.memory_gib, pods=self.pods, ephemeral_storage_gib=self.ephemeral_storage_gib)


class NetworkSettings(Group):
    """What network policies must be told."""

    addresses: dict[str, tuple[Cidr, ...]] = Field(
        default_factory=dict,
        description="addresses of hosts that are known by name (the store, an external model), since a policy knows no names",
        examples=['\'{"x10000.example.net": ["10.1.2.0/28"]}\''],
    )
    dns_namespace: OtherNamespace = Field(
        default="kube-system", description="namespace of the cluster's name server", examples=["openshift-dns"]
    )
    dns_port: int = Field(default=53, ge=1, le=65535, description="port of the name server's pods", examples=[5353])
    dns_addresses: tuple[Cidr, ...] = Field(
        default=(), description="addresses of a name server on the node, if pods are sent to one", examples=["'[\"169.254.20.10/32\"]'"]
    )
