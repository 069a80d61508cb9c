"""Waits, from the host as a user of the lab would, until the cluster of node.py serves; gives it images, name server and StorageClass."""

import json
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from string import Template
from typing import Any

from lab.daemons import CONTAINERD_SOCKET
from lab.errors import LabError
from lab.images.build import Image
from lab.places import KUBECONFIG, LOGS, NODE_BIN, PKI, REPOSITORY, Network
from lab.process_tree import running, wait_for
from lab.steps import Steps

CURE = "`./rag down` and `./rag up` again; logs: "
_CTR = ("ctr", "-a", CONTAINERD_SOCKET, "-n", "k8s.io")


def kubectl(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the lab's kubectl as its administrator; one that is gone from the cache fails as one that cannot reach the API server does."""
    command = [str(NODE_BIN / "kubectl"), "--kubeconfig", str(KUBECONFIG), *arguments]
    if not Path(command[0]).exists():
        return subprocess.CompletedProcess(command, returncode=127, stdout="", stderr=f"{command[0]} is gone")
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def wait_for_api() -> None:
    """Wait until the API server is ready."""
    cure = f"{CURE}{LOGS / 'kube-apiserver.log'}"
    wait_for(lambda: kubectl("get", "--raw", "/readyz").returncode == 0, 120, "the API server is not ready", cure)


def wait_for_store(net: Network) -> None:
    """Wait until S3, IAM and the GreenLake emulator answer over TLS that the store's CA vouches for."""
    context = ssl.create_default_context(cafile=str(PKI / "store-ca.crt"))
    servers = (net.s3_endpoint, "versitygw-s3"), (net.iam_endpoint, "versitygw-iam"), (net.greenlake_endpoint, "greenlake-emulator")
    for endpoint, log in servers:
        wait_for(partial(answers, endpoint, context), 60, f"{endpoint} does not answer", f"{CURE}{LOGS / log}.log")


def answers(endpoint: str, context: ssl.SSLContext) -> bool:
    """Return whether something speaks HTTP there, over TLS that `context` trusts."""
    try:
        urllib.request.urlopen(endpoint, data=b"Action=ListUsers&Version=2010-05-08", timeout=5, context=context).close()  # noqa: S310  always https
    except urllib.error.HTTPError:  # refused without a signature: it is there
        return True
    except OSError:
        return False
    return True


def import_images(images: Sequence[Image], steps: Steps, at_once: int) -> None:
    """Bring images into the cluster's container runtime under their tags and their digests; those that are there already are left."""
    wait_for(lambda: _ctr("version").returncode == 0, 60, "containerd is not ready", f"{CURE}{LOGS / 'containerd.log'}")
    present = set(_ctr("images", "list", "-q").stdout.split())

    def bring(image: Image) -> None:
        tag, _, digest = image.reference.partition("@")
        pinned = f"{tag.rpartition(':')[0]}@{digest}"  # the name by digest alone, under which pods ask for it
        if pinned not in present:
            steps.run([*_CTR, "images", "import", image.archive], cure="./rag clean-cache, then `./rag up` again")
            _ctr("images", "rm", pinned)
            _ctr("images", "tag", tag, pinned)

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(bring, images))


def _ctr(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*_CTR, *arguments], capture_output=True, text=True, check=False)


def apply_basics(net: Network, coredns: Image) -> None:
    """Declare the name server and the default StorageClass; LabError with what the API server said."""
    manifest = Template((REPOSITORY / "lab" / "cluster.yaml").read_text()).substitute(IMAGE=coredns.reference, ADDRESS=str(net.dns))
    ended = kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=manifest)
    if ended.returncode:
        raise LabError(f"the cluster refused lab/cluster.yaml: {ended.stderr.strip()}", f"{CURE}{LOGS / 'kube-apiserver.log'}")


def wait_for_node() -> None:
    """Wait until the node is Ready and its name server runs, in this life of the process tree: an older one left its word in etcd."""

    def is_ready() -> bool:
        lease = kubectl("-n", "kube-node-lease", "get", "lease", "lab", "-o", "jsonpath={.spec.renewTime}").stdout
        ready = kubectl("get", "nodes", "-o", "jsonpath={.items[0].status.conditions[?(@.type=='Ready')].status}").stdout
        return lease > _since() and ready == "True"

    wait_for(is_ready, 120, "the node is not Ready", f"{CURE}{LOGS / 'kubelet.log'}")
    wait_for_pods("kube-system")


def pods(*arguments: str) -> list[dict[str, Any]]:
    """Return pods of all namespaces, or of those that `arguments` choose; none where the API server does not answer."""
    listed = kubectl("get", "pods", *(arguments or ["--all-namespaces"]), "-o", "json", "--request-timeout=5s")
    items: list[dict[str, Any]] = json.loads(listed.stdout)["items"] if listed.returncode == 0 else []
    return items


def wait_for_pods(namespace: str = "") -> None:
    """Wait until every container was started in this life of the process tree and is ready; LabError where one is not."""
    where = ("-n", namespace) if namespace else ("--all-namespaces",)

    def are_fresh() -> bool:
        # a Job's pod ends; whether it did well is the Job's business
        serving = [pod for pod in pods(*where) if not any(owner["kind"] == "Job" for owner in pod["metadata"].get("ownerReferences", []))]
        statuses = [pod["status"].get("containerStatuses", []) for pod in serving]
        # times are RFC 3339 in UTC, so their texts sort as they do
        started = [
            bool(parts) and all(part["ready"] and part["state"]["running"]["startedAt"] >= _since() for part in parts) for parts in statuses
        ]
        return bool(started) and all(started)

    cure = f"kubectl --kubeconfig {KUBECONFIG} describe pods {' '.join(where)}; {CURE}{LOGS / 'pods'}"
    wait_for(are_fresh, 300, "a pod is not ready", cure)


def _since() -> str:
    outer = running()
    return str(outer["since"]) if outer else "9999"
