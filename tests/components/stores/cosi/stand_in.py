"""A stand-in for COSI's controller, its sidecar and HPE's driver: real buckets, users and keys on a real S3 server, none of HPE's code.

It does what the published sources say that those do, in one thread, for one namespace: claims first, then accesses, each with its
finalizer; the class is read when a bucket is made and never again. It keeps no Bucket objects, since nothing here looks at them.
It misbehaves on request.
"""

import json
import threading
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from kubernetes import client

from components import kube_api
from components.stores import canonical
from components.stores.s3 import S3Server

GROUP, VERSION = "objectstorage.k8s.io", "v1alpha1"
FINALIZER = "cosi.objectstorage.k8s.io/protection"
ENABLED = "Enabled"
_PAUSE_S = 0.1


class StandIn(threading.Thread):
    """Reconciles until `stop`; `faults` says what goes wrong with objects of a kind."""

    def __init__(self, store: S3Server, namespace: str) -> None:
        super().__init__(name="stand-in for COSI")
        self.store, self.namespace = store, namespace
        self.faults: dict[str, str] = {}
        self.at_once: list[set[str]] = []
        """Objects that waited at the same time, which HPE's driver may fail at."""
        self.keys: list[str] = []
        """Every secret key that it wrote."""
        self.warned = threading.Event()
        """It wrote why something is not ready."""
        self.failed: BaseException | None = None
        self.opened, self._ended = threading.Event(), threading.Event()

    def run(self) -> None:
        """Look again and again."""
        try:
            with kube_api.core() as core:
                self.core, self.custom = core, client.CustomObjectsApi(core.api_client)
                self.opened.set()
                while not self._ended.wait(_PAUSE_S):
                    self._round()
        except BaseException as error:  # noqa: BLE001  shown by `stop`
            self.failed = error

    def stop(self) -> None:
        """End it; raise what ended it before."""
        self._ended.set()
        self.join()
        if self.failed is not None:
            raise self.failed

    def _round(self) -> None:
        found = [(kind, one) for kind in ("bucketaccesses", "bucketclaims") for one in self._list(kind)]
        waiting = {
            f"{kind}/{one['metadata']['name']}" for kind, one in found if not _done(one) and "deletionTimestamp" not in one["metadata"]
        }
        if len(waiting) > 1:
            self.at_once.append(waiting)
        for kind, one in found:
            if "deletionTimestamp" in one["metadata"]:
                self._let_go(kind, one)
            elif not _done(one):
                self._serve(kind, one)

    def _serve(self, kind: str, one: dict[str, Any]) -> None:
        fault = self.faults.get(kind, "")
        if fault in {"never ready", "denied"}:
            self._warn(one, "the storage system said no" if fault == "denied" else "waiting for the storage system")
            return
        if kind == "bucketclaims":
            self._make_bucket(one, fault)
        elif self._claim_of(one).get("status", {}).get("bucketReady"):
            self._grant(one, fault)

    def _make_bucket(self, claim: dict[str, Any], fault: str) -> None:
        name = f"bc1{claim['metadata']['uid']}"
        its_class: Any = self.custom.get_cluster_custom_object(GROUP, VERSION, "bucketclasses", claim["spec"]["bucketClassName"])
        asked = its_class["parameters"]
        with self.store.s3() as s3:
            locked = asked.get("locking") == ENABLED
            s3.create_bucket(Bucket=name, **({"ObjectLockEnabledForBucket": True} if locked else {}))  # type: ignore[arg-type]
            if asked.get("versioning") == ENABLED and fault != "driver 1.0.0":
                s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
            if locked:
                rule: Any = {"Mode": asked["retentionMode"], "Days": int(asked["defaultRetentionInterval"].removesuffix("d"))}
                lock: Any = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": rule}}
                s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=lock)
        self._finish("bucketclaims", claim, {"bucketReady": True, "bucketName": name})

    def _grant(self, access: dict[str, Any], fault: str) -> None:
        account, bucket = f"ba-{access['metadata']['uid']}", self._claim_of(access)["status"]["bucketName"]
        resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": resources}]}
        with self.store.iam() as iam:
            iam.create_user(UserName=f"user_{account}")
            iam.put_user_policy(UserName=f"user_{account}", PolicyName="full", PolicyDocument=canonical(everything))
            key = iam.create_access_key(UserName=f"user_{account}")["AccessKey"]
        secret_key = uuid4().hex if fault == "wrong key" else key["SecretAccessKey"]
        self.keys.append(secret_key)
        s3 = {"endpoint": self.store.endpoint, "region": "us-east-1", "accessKeyID": key["AccessKeyId"], "accessSecretKey": secret_key}
        told = "another-bucket" if fault == "another bucket" else bucket
        spec = {"bucketName": told, "authenticationType": "Key", "secretS3": s3, "secretAzure": None, "protocols": ["s3"]}
        self._write(access, json.dumps({"metadata": {"name": f"bc-{account}", "creationTimestamp": None}, "spec": spec}), fault)
        self._finish("bucketaccesses", access, {"accessGranted": True, "accountID": account})

    def _write(self, access: dict[str, Any], text: str, fault: str) -> None:
        if fault == "malformed":
            text = text[:-2]
        metadata = client.V1ObjectMeta(name=access["spec"]["credentialsSecretName"], finalizers=[FINALIZER])
        self.core.create_namespaced_secret(self.namespace, client.V1Secret(metadata=metadata, string_data={"BucketInfo": text}))

    def _let_go(self, kind: str, one: dict[str, Any]) -> None:
        """A bucket stays, since every class here says Retain; a user goes with its Secret."""
        if kind == "bucketaccesses" and (account := one.get("status", {}).get("accountID")):
            user = f"user_{account}"
            with self.store.iam() as iam:
                for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
                    iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
                iam.delete_user_policy(UserName=user, PolicyName="full")
                iam.delete_user(UserName=user)
            secret = one["spec"]["credentialsSecretName"]
            self.core.patch_namespaced_secret(secret, self.namespace, {"metadata": {"finalizers": None}})
            self.core.delete_namespaced_secret(secret, self.namespace)
        self._patch(kind, one, {"metadata": {"finalizers": None}})

    def _finish(self, kind: str, one: dict[str, Any], status: Mapping[str, Any]) -> None:
        self._patch(kind, one, {"metadata": {"finalizers": [FINALIZER]}})
        place = (GROUP, VERSION, self.namespace, kind, one["metadata"]["name"])
        self.custom.patch_namespaced_custom_object_status(*place, {"status": status})

    def _claim_of(self, access: dict[str, Any]) -> dict[str, Any]:
        place = (GROUP, VERSION, self.namespace, "bucketclaims", access["spec"]["bucketClaimName"])
        found: Any = self.custom.get_namespaced_custom_object(*place)
        return dict(found)

    def _list(self, kind: str) -> list[dict[str, Any]]:
        found: Any = self.custom.list_namespaced_custom_object(GROUP, VERSION, self.namespace, kind)
        return list(found["items"])

    def _patch(self, kind: str, one: dict[str, Any], body: dict[str, Any]) -> None:
        self.custom.patch_namespaced_custom_object(GROUP, VERSION, self.namespace, kind, one["metadata"]["name"], body)

    def _warn(self, one: dict[str, Any], text: str) -> None:
        metadata = one["metadata"]
        about = client.V1ObjectReference(
            api_version=f"{GROUP}/{VERSION}",
            kind=one["kind"],
            uid=metadata["uid"],
            name=metadata["name"],
            namespace=self.namespace,
        )
        event = client.CoreV1Event(
            metadata=client.V1ObjectMeta(name=f"{metadata['name']}.{metadata['uid']}"),
            involved_object=about,
            type="Warning",
            reason="Failed",
            message=text,
        )
        try:
            self.core.create_namespaced_event(self.namespace, event)
        except client.ApiException as error:
            if error.reason != "Conflict":  # said before
                raise
        self.warned.set()


def _done(one: Mapping[str, Any]) -> bool:
    status = one.get("status") or {}
    return bool(status.get("bucketReady") or status.get("accessGranted"))
