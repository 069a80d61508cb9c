"""The parts that run on the lab's node and the files that they read, from `node.yaml`: command lines and texts, no processes."""

import configparser
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import yaml

from lab.places import CGROUP, NODE_BIN, PKI, REPOSITORY, STATE, Network

CONTAINERD_SOCKET = str(STATE / "containerd.sock")
IAM_SOCKET = "/run/lab-iam.sock"
OBJECT_STORE = "versitygw-s3"
GREENLAKE = "greenlake-emulator"
GREENLAKE_SYSTEM = "LAB0000001"  # serial number of the storage system that the emulator pretends to be
PAUSE_IMAGE = "lab.local/pause:1"


class Daemon(NamedTuple):
    """One process: its name is also the name of its log file. No secret is ever an argument."""

    name: str
    arguments: Sequence[str]
    program: str  # what is run; "" for the tool of that name
    environment: Mapping[str, str]

    @property
    def command(self) -> list[str]:
        """The command line."""
        tool = str(NODE_BIN / self.name) if (NODE_BIN / self.name).exists() else self.name
        return [self.program or tool, *self.arguments]

    def is_run_by(self, command: Sequence[str]) -> bool:
        """Return whether a process with that command line is this part."""
        if self.program:  # an interpreter: what it runs tells which part it is
            return [*command[1:3]] == [*self.arguments[:2]]
        return bool(command) and Path(command[0]).name == self.name


def administrator(path: Path = PKI / "credentials") -> tuple[str, str]:
    """Return access key and secret key of the object store's administrator."""
    parser = configparser.ConfigParser()
    parser.read(path)
    return parser["lab-admin"]["aws_access_key_id"], parser["lab-admin"]["aws_secret_access_key"]


def configuration(net: Network) -> dict[str, Any]:
    """Return `node.yaml` with this machine's places and addresses: the parts, and the files that they read."""
    prefix = max(24, net.pods.prefixlen)
    places = {"STATE": STATE, "PKI": PKI, "IAM_SOCKET": IAM_SOCKET, "CONTAINERD_SOCKET": CONTAINERD_SOCKET, "PYTHON": sys.executable}
    ranges = {"SERVICES": net.services, "PODS": net.pods, "MASK": prefix, "POD_SUBNET": next(net.pods.subnets(new_prefix=prefix))}
    addresses = {"NODE": net.node, "DNS": net.dns, "S3": net.s3_endpoint, "IAM": net.iam_endpoint}
    names = {"SYSTEM": GREENLAKE_SYSTEM, "PAUSE_IMAGE": PAUSE_IMAGE, "CGROUP": CGROUP}
    text = Template(Path(__file__).with_name("node.yaml").read_text()).substitute(places | ranges | addresses | names)
    whole: dict[str, Any] = yaml.safe_load(text)
    return whole


def all_parts(net: Network) -> list[Daemon]:
    """Return every part, in the order in which they start."""
    access_key, secret_key = administrator()
    root = {"ROOT_ACCESS_KEY": access_key, "ROOT_SECRET_KEY": secret_key}
    environments = {"versitygw-iam": root, OBJECT_STORE: root, GREENLAKE: {"PYTHONPATH": str(REPOSITORY), "PYTHONSAFEPATH": "1"}}
    return [
        Daemon(part["name"], part["arguments"].split(), part.get("program", ""), environments.get(part["name"], {}))
        for part in configuration(net)["daemons"]
    ]


def files(net: Network, *, cgroup_v1: bool) -> dict[str, str]:
    """Return what the parts read, by its path below the lab's state."""
    whole = configuration(net)
    kubelet, network = "kubelet.yaml", "cni/10-lab.conflist"
    kubelet_text = yaml.safe_dump(whole[kubelet] | ({"failCgroupV1": False} if cgroup_v1 else {}))
    return {"containerd.toml": whole["containerd.toml"], network: json.dumps(whole[network]), kubelet: kubelet_text}
