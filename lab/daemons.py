"""The parts that run on the lab's node, in the order in which they start, as plain data: command lines and files, no processes."""

import configparser
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.places import CGROUP, NODE_BIN, PKI, REPOSITORY, STATE, Network

CONTAINERD_SOCKET = str(STATE / "containerd.sock")
IAM_SOCKET = "/run/lab-iam.sock"
OBJECT_STORE = "versitygw-s3"
GREENLAKE = "greenlake-emulator"
GREENLAKE_SYSTEM = "LAB0000001"
"""Serial number of the storage system that the emulator pretends to be."""

PAUSE_IMAGE = "lab.local/pause:1"


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """One process: its name is also the name of its log file. No secret is ever an argument."""

    name: str
    arguments: Sequence[str | Path]
    program: str = ""
    """What is run; "" for the tool of that name."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        """The command line."""
        tool = str(NODE_BIN / self.name) if (NODE_BIN / self.name).exists() else self.name
        return [self.program or tool, *map(str, self.arguments)]

    def is_run_by(self, command: Sequence[str]) -> bool:
        """Return whether a process with that command line is this part."""
        if self.program:  # an interpreter: what it runs tells which part it is
            return [*command[1:3]] == [*map(str, self.arguments[:2])]
        return bool(command) and Path(command[0]).name == self.name


def administrator(path: Path = PKI / "credentials") -> tuple[str, str]:
    """Return access key and secret key of the object store's administrator."""
    parser = configparser.ConfigParser()
    parser.read(path)
    return parser["lab-admin"]["aws_access_key_id"], parser["lab-admin"]["aws_secret_access_key"]


def object_store(net: Network) -> list[Daemon]:
    """Return the S3 server and its IAM service, over TLS with the store's own CA."""
    access_key, secret_key = administrator()
    environment = {"ROOT_ACCESS_KEY": access_key, "ROOT_SECRET_KEY": secret_key}
    tls: list[str | Path] = ["--cert", PKI / "store.crt", "--key", PKI / "store.key"]
    iam: list[str | Path] = [
        "--port",
        f"{net.node}:7071",
        *tls,
        "iam",
        "--dir",
        STATE / "store" / "iam",
        "--private-ports",
        IAM_SOCKET,
        "--quiet",
    ]
    # without the IAM cache a new or revoked key counts at once
    s3: list[str | Path] = ["--port", f"{net.node}:7070", *tls, "--quiet", "--iam-standalone-endpoint", IAM_SOCKET, "--iam-cache-disable"]
    s3 += ["--access-log", "stdout"]  # one line a request: which key asked, from where, and what it was answered
    posix: list[str | Path] = ["posix", "--versioning-dir", STATE / "store" / "versions", STATE / "store" / "buckets"]
    return [
        Daemon(name="versitygw-iam", arguments=iam, environment=environment),
        Daemon(name=OBJECT_STORE, arguments=[*s3, *posix], environment=environment),
    ]


def greenlake(net: Network) -> list[Daemon]:
    """Return the emulator of the GreenLake API, on the object store's two servers; it reads its secrets from files."""
    arguments: dict[str, str | Path] = {
        "--listen": f"{net.node}:7072",
        "--cert": PKI / "store.crt",
        "--key": PKI / "store.key",
        "--s3": net.s3_endpoint,
        "--iam": net.iam_endpoint,
        "--ca": PKI / "store-ca.crt",
        "--administrator": PKI / "credentials",
        "--client": PKI / "greenlake",
        "--home": STATE / "store",
        "--iam-folder": STATE / "store" / "iam",
        "--system": GREENLAKE_SYSTEM,
    }
    words = [word for pair in arguments.items() for word in pair]
    environment = {"PYTHONPATH": str(REPOSITORY), "PYTHONSAFEPATH": "1"}
    return [Daemon(name=GREENLAKE, program=sys.executable, arguments=["-m", "tests.emulators.greenlake", *words], environment=environment)]


def control_plane(net: Network) -> list[Daemon]:
    """Return etcd, API server, controller manager and scheduler."""
    local = [
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
    ]
    kubeconfig = f"--kubeconfig={STATE / 'admin.kubeconfig'}"
    return [
        # a lab may lose its last second in a power cut; its etcd does not wait for the disk
        Daemon(name="etcd", arguments=[f"--data-dir={STATE / 'etcd'}", *local, "--unsafe-no-fsync", "--log-level=warn"]),
        Daemon(name="kube-apiserver", arguments=_apiserver(net)),
        Daemon(
            name="kube-controller-manager",
            arguments=[
                kubeconfig,
                f"--service-account-private-key-file={PKI / 'service-accounts.key'}",
                f"--root-ca-file={PKI / 'cluster-ca.crt'}",
                "--use-service-account-credentials=true",
                "--allocate-node-cidrs=true",
                f"--cluster-cidr={net.pods}",
                f"--service-cluster-ip-range={net.services}",
                f"--node-cidr-mask-size={max(24, net.pods.prefixlen)}",
                "--leader-elect=false",
            ],
        ),
        Daemon(name="kube-scheduler", arguments=[kubeconfig, "--leader-elect=false"]),
    ]


def _apiserver(net: Network) -> list[str]:
    return [
        "--etcd-servers=http://127.0.0.1:2379",
        f"--service-cluster-ip-range={net.services}",
        "--secure-port=6443",
        f"--advertise-address={net.node}",
        f"--client-ca-file={PKI / 'cluster-ca.crt'}",
        f"--tls-cert-file={PKI / 'apiserver.crt'}",
        f"--tls-private-key-file={PKI / 'apiserver.key'}",
        f"--service-account-key-file={PKI / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={PKI / 'service-accounts.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--authorization-mode=Node,RBAC",
        # `kubectl logs` and `exec` would look up the node's name otherwise
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged=true",
        f"--kubelet-client-certificate={PKI / 'admin.crt'}",
        f"--kubelet-client-key={PKI / 'admin.key'}",
    ]


def node(net: Network) -> list[Daemon]:
    """Return container runtime, kubelet, proxy and volume provisioner."""
    return [
        Daemon(name="containerd", arguments=["--config", STATE / "containerd.toml"]),
        Daemon(
            name="kubelet",
            arguments=[
                f"--config={STATE / 'kubelet.yaml'}",
                f"--kubeconfig={STATE / 'kubelet.kubeconfig'}",
                "--hostname-override=lab",
                f"--node-ip={net.node}",
                f"--root-dir={STATE / 'kubelet'}",
            ],
        ),
        Daemon(name="kube-proxy", arguments=_proxy(net)),
        Daemon(name="volume-provisioner", arguments=[f"--kubeconfig={STATE / 'admin.kubeconfig'}", f"--root={STATE / 'volumes'}"]),
    ]


def _proxy(net: Network) -> list[str]:
    return [
        f"--kubeconfig={STATE / 'admin.kubeconfig'}",
        f"--cluster-cidr={net.pods}",
        "--hostname-override=lab",
        # connection tracking is the host kernel's: its limits are left as they are
        "--conntrack-max-per-core=0",
        "--conntrack-min=0",
        "--conntrack-tcp-timeout-established=0s",
        "--conntrack-tcp-timeout-close-wait=0s",
    ]


def containerd_config() -> str:
    """Return containerd's configuration."""
    return f"""\
version = 2
root = "{STATE}/containerd"
state = "/run/lab-containerd"
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  # without CAP_SYS_RESOURCE runc may not lower oom_score_adj and would die
  restrict_oom_score_adj = true
  sandbox_image = "{PAUSE_IMAGE}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{STATE}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""


def cni_config(net: Network) -> str:
    """Return the pod network: a bridge. It does not enforce NetworkPolicy."""
    subnet = next(net.pods.subnets(new_prefix=max(24, net.pods.prefixlen)))
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": str(subnet)}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }
    return json.dumps(
        {"cniVersion": "1.0.0", "name": "lab", "plugins": [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]}
    )


def kubelet_config(net: Network, *, cgroup_v1: bool) -> str:
    """Return kubelet's configuration."""
    config: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "failSwapOn": False,
        "authentication": {
            "anonymous": {"enabled": False},
            "x509": {"clientCAFile": str(PKI / "cluster-ca.crt")},
            "webhook": {"enabled": True},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(PKI / "kubelet.crt"),
        "tlsPrivateKeyFile": str(PKI / "kubelet.key"),
        "clusterDomain": "cluster.local",
        "clusterDNS": [str(net.dns)],
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        # images are brought in by hand and cannot be pulled again
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi"},
        "containerLogMaxSize": "10Mi",
        "containerLogMaxFiles": 3,
    }
    if cgroup_v1:
        config["failCgroupV1"] = False
    return yaml.safe_dump(config)
