"""Where the lab keeps things and which addresses it takes: the one list of both.

Standard library only: it is read before the virtual environment exists.
"""

import os
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "milvus-x10000"
"""Tools, images and virtual environments, keyed by what they were made from; outlives the lab."""

STATE = Path("/var/lib/milvus-x10000-lab")
"""All that a running lab owns on disk; one lab per machine, whichever checkout started it."""

LOGS = STATE / "logs"
PKI = STATE / "pki"
NODE_BIN = STATE / "node-bin"
"""What runs the lab itself."""

BIN = STATE / "bin"
"""What an operator calls: on PATH in a shell of the lab."""

KUBECONFIG = STATE / "admin.kubeconfig"
CGROUP = "milvus-x10000-lab"
HOST_INTERFACE = "milvus-lab"


@dataclass(frozen=True, kw_only=True)
class Network:
    """Addresses of the lab: a link between host and node, and the ranges behind it."""

    link: IPv4Network
    services: IPv4Network
    pods: IPv4Network

    @property
    def host(self) -> IPv4Address:
        """The host's end of the link."""
        return self.link[1]

    @property
    def node(self) -> IPv4Address:
        """The node's end of the link: API server, object store."""
        return self.link[2]

    @property
    def dns(self) -> IPv4Address:
        """ClusterIP of CoreDNS."""
        return self.services[10]

    @property
    def s3_endpoint(self) -> str:
        """Where the object store's S3 API answers."""
        return f"https://{self.node}:7070"

    @property
    def iam_endpoint(self) -> str:
        """Where the object store's IAM API answers."""
        return f"https://{self.node}:7071"


def network() -> Network:
    """Return the lab's addresses, which three environment variables may move out of the way of others."""
    return Network(
        link=IPv4Network(os.environ.get("LAB_LINK", "10.88.255.0/30")),
        services=IPv4Network(os.environ.get("LAB_SERVICES", "10.96.0.0/16")),
        pods=IPv4Network(os.environ.get("LAB_PODS", "10.244.0.0/16")),
    )
