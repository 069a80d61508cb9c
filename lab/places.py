"""Where the lab keeps things and which addresses it takes: the one list of both.

Standard library only: it is read before the virtual environment exists.
"""

import json
import os
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from lab.errors import LabError

REPOSITORY = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "milvus-x10000"
"""Tools, images and virtual environments, keyed by what they were made from; outlives the lab."""
UV = Path(sys.prefix) / "bin" / "uv"
"""The installer, in the virtual environment that runs this; not on PATH where that was entered by its own Python."""
STATE = Path("/var/lib/milvus-x10000-lab")
"""All that a running lab owns on disk; one lab per machine, whichever checkout started it."""
LOGS = STATE / "logs"
PKI = STATE / "pki"
CODE = STATE / "code"
"""What of this package the node runs."""
NODE_BIN = STATE / "node-bin"
"""What runs the lab itself."""
BIN = STATE / "bin"
"""What an operator calls: on PATH in a shell of the lab."""
KUBECONFIG = STATE / "admin.kubeconfig"
NETWORK = PKI / "network.json"
"""The addresses that the lab was made with: its certificates hold for no others."""
CGROUP = "milvus-x10000-lab"
HOST_INTERFACE = "milvus-lab"
STORES = ("s3", "greenlake", "existing")
"""Drivers by which the lab's stack may come by its buckets."""
RANGES = {"LAB_LINK": "10.88.255.0/30", "LAB_SERVICES": "10.96.0.0/16", "LAB_PODS": "10.244.0.0/16"}
"""Environment variables that move the lab's address ranges, and where they are by default."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """Addresses of the lab: a link between host and node, and the ranges behind it."""

    link: IPv4Network
    services: IPv4Network
    pods: IPv4Network

    @property
    def ranges(self) -> dict[str, str]:
        """The three ranges by the variables that set them."""
        return dict(zip(RANGES, map(str, (self.link, self.services, self.pods)), strict=True))

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

    @property
    def greenlake_endpoint(self) -> str:
        """Where the emulator of the GreenLake API answers."""
        return f"https://{self.node}:7072"


def write_whole(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Replace a file at once: it is the old one or the new one, and readable by no more than `mode` says while it is written."""
    fresh = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    fresh.replace(path)


def network(kept: Path = NETWORK) -> Network:
    """Return the lab's addresses: those that it was made with, else those that the environment asks for, else the usual ones.

    Raises LabError for a range that is none, is too small, overlaps another one, or differs from those of the lab that is there.
    """
    made_with = json.loads(kept.read_text()) if kept.exists() else {}
    asked = {name: os.environ.get(name, made_with.get(name, usual)) for name, usual in RANGES.items()}
    found = {name: _range(name, text) for name, text in asked.items()}
    if made_with and asked != made_with:
        raise LabError(
            f"the lab was made with {made_with}, now {asked} is asked for", "./rag down, then ./rag up; or leave the LAB_ variables out"
        )
    names = list(found)
    for first, second in ((names[0], names[1]), (names[0], names[2]), (names[1], names[2])):
        if found[first].overlaps(found[second]):
            raise LabError(f"{first}={found[first]} and {second}={found[second]} overlap", f"choose three ranges apart, such as {RANGES}")
    link, services, pods = found.values()
    return Network(link=link, services=services, pods=pods)


def _range(name: str, text: str) -> IPv4Network:
    largest_prefix = 30 if name == "LAB_LINK" else 24
    try:
        found = IPv4Network(text)
    except ValueError as error:
        raise LabError(f"{name}={text} is no address range: {error}", f"{name}={RANGES[name]} ./rag up") from None
    if found.prefixlen > largest_prefix:
        raise LabError(f"{name}={text} is too small, it must be /{largest_prefix} or larger", f"{name}={RANGES[name]} ./rag up")
    return found
