"""Looks whether the root path is empty, or holds what this stack's own Milvus wrote, and who else uses the bucket."""

import socket
from contextlib import closing
from urllib.parse import urlsplit

from validation.checks.storage.context import STORE, StoreContext
from validation.clients import kube
from validation.clients.network import service_of
from validation.judge.errors import GateError
from validation.run.record import Facts

PREFIX = "preflight-"
"""Begins every prefix that a preflight writes below."""
_SHOWN = 3


@STORE.check("root_path", "Is the root path empty or ours?", after="bucket_settings")
def root_path(run: StoreContext, _facts: Facts) -> None:
    """Add what is there."""
    root = f"{run.aim.root_path}/"
    found = run.store.ask(lambda s3: s3.list_objects_v2(Bucket=run.aim.bucket, Prefix=root, MaxKeys=_SHOWN)).get("Contents", [])
    keys = [str(one.get("Key")) for one in found if not str(one.get("Key")).startswith(run.litter.prefix)]
    if not keys:
        run.record.ok("root_path", f"nothing below {root}")
    elif why := _ours(run):
        run.record.ok("root_path", f"objects below {root} are this stack's own: {why}")
    else:
        run.record.fail(
            "root_path",
            f"another Milvus, or an earlier one, has objects below {root}, such as {', '.join(keys)}",
            "each Milvus deletes what its own metadata does not know: the two would destroy each other's data",
            "give this one another root path or bucket: pulumi config set --path milvus-x10000:milvus.root_path NAME; "
            "if these are its own objects: --installed",
        )
    _look_around(run, root)


def _ours(run: StoreContext) -> str:
    """Return why the objects are this stack's, "" when nothing says so."""
    if run.aim.installed:
        return "--installed says so"
    host = urlsplit(run.aim.milvus_uri).hostname or ""
    if not host:
        return ""
    if service_of(run.aim.milvus_uri) is not None and not kube.in_cluster():
        return _service_is_there(run.aim.milvus_uri)
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return ""
    return f"its Milvus {host} is installed"


def _service_is_there(uri: str) -> str:
    try:
        with closing(kube.connect()) as kubernetes:
            kubernetes.address(uri)
    except GateError:
        return ""
    return f"its Milvus {uri} is installed"


def _look_around(run: StoreContext, root: str) -> None:
    listed = run.store.ask(lambda s3: s3.list_objects_v2(Bucket=run.aim.bucket, Delimiter="/", MaxKeys=1000))
    names = [str(one.get("Prefix")) for one in listed.get("CommonPrefixes", [])] + [
        str(one.get("Key")) for one in listed.get("Contents", [])
    ]
    others = [name for name in names if not root.startswith(name) and not run.litter.prefix.startswith(name)]
    killed = [name for name in others if name.startswith(PREFIX)]
    foreign = [name for name in others if name not in killed]
    if foreign:
        seen = f"the bucket also holds {', '.join(foreign[:_SHOWN])}" + (
            f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
        )
        run.record.warn(
            "bucket_shared", seen, "whoever empties the bucket, or limits it, hits Milvus too", "give Milvus a bucket of its own"
        )
    if killed:
        cure = f"aws s3 rm --recursive s3://{run.aim.bucket}/{killed[0]}"
        run.record.warn("left_over", f"a preflight that was killed left {', '.join(killed[:_SHOWN])}", "it costs space", cure)
