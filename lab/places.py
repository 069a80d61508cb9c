"""Where the lab keeps things and which addresses it takes: the one list of both. Standard library only."""

import json
import os
import sys
from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path
from typing import Any

from lab.errors import LabError

REPOSITORY = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "milvus-x10000"
"""Tools, images and virtual environments, keyed by what they were made from; outlives the lab."""
UV = Path(sys.prefix) / "bin" / "uv"  # in the virtual environment that runs this; not on PATH where that was entered by its own Python
STATE = Path("/var/lib/milvus-x10000-lab")
"""All that a running lab owns on disk; one lab per machine, whichever checkout started it."""
LOGS = STATE / "logs"
PKI = STATE / "pki"
CODE = STATE / "code"  # what of this package the node runs
NODE_BIN = STATE / "node-bin"  # what runs the lab itself
BIN = STATE / "bin"  # what an operator calls: on PATH in a shell of the lab
KUBECONFIG = STATE / "admin.kubeconfig"
NETWORK = PKI / "network.json"  # the addresses that the lab was made with: its certificates hold for no others
CGROUP = "milvus-x10000-lab"
HOST_INTERFACE = "milvus-lab"
STORES = ("s3", "greenlake", "existing")  # drivers by which the lab's stack may come by its buckets
RANGES = {"LAB_LINK": "10.88.255.0/30", "LAB_SERVICES": "10.96.0.0/16", "LAB_PODS": "10.244.0.0/16"}
"""Environment variables that move the lab's address ranges, and where they are by default."""


class Network:
    """Addresses of the lab: a link between host and node, and the ranges behind it."""

    def __init__(self, *, link: IPv4Network, services: IPv4Network, pods: IPv4Network) -> None:
        self.link, self.services, self.pods = link, services, pods
        self.ranges = dict(zip(RANGES, map(str, (link, services, pods)), strict=True))  # by the variables that set them
        self.host, self.node = link[1], link[2]  # ends of the link; API server and object store answer on the node's
        self.dns = services[10]  # ClusterIP of CoreDNS
        self.s3_endpoint, self.iam_endpoint, self.greenlake_endpoint = (f"https://{self.node}:{port}" for port in (7070, 7071, 7072))


def write_whole(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Replace a file at once: it is the old one or the new one, and readable by no more than `mode` says while it is written."""
    fresh = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    fresh.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return what a file holds, None where there is none or it is damaged."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return content


def network(kept: Path = NETWORK) -> Network:
    """Return the lab's addresses: those that it was made with, else those of the environment, else the usual; LabError for wrong ones."""
    made_with = json.loads(kept.read_text()) if kept.exists() else {}
    asked = {name: os.environ.get(name, made_with.get(name, usual)) for name, usual in RANGES.items()}
    ranges = {name: _range(name, text) for name, text in asked.items()}
    if made_with and asked != made_with:
        cure = "./rag down, then ./rag up; or leave the LAB_ variables out"
        raise LabError(f"the lab was made with {made_with}, now {asked} is asked for", cure)
    for first, second in combinations(ranges, 2):
        if ranges[first].overlaps(ranges[second]):
            raise LabError(f"{first}={ranges[first]} and {second}={ranges[second]} overlap", f"choose three ranges apart, such as {RANGES}")
    link, services, pods = ranges.values()
    return Network(link=link, services=services, pods=pods)


def _range(name: str, text: str) -> IPv4Network:
    largest_prefix, cure = 30 if name == "LAB_LINK" else 24, f"{name}={RANGES[name]} ./rag up"
    try:
        addresses = IPv4Network(text)
    except ValueError as error:
        raise LabError(f"{name}={text} is no address range: {error}", cure) from None
    if addresses.prefixlen > largest_prefix:
        raise LabError(f"{name}={text} is too small, it must be /{largest_prefix} or larger", cure)
    return addresses
