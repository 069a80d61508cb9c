"""How the lab's stack comes by its buckets; for `existing` the lab plays the administrator who hands over buckets and keys."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from lab import cluster, daemons
from lab.errors import LabError
from lab.places import PKI, Network

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

HANDED_OVER = "storage"  # namespace of the Secrets that are handed over
_BUCKET = ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketVersions", "s3:GetBucketVersioning"]
_OBJECTS = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject"]
_OBJECTS += ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]


def facts(store: str, net: Network) -> dict[str, Any]:
    """Return the settings of the object store for that driver."""
    common = {"driver": store, "endpoint": net.s3_endpoint, "ca_file": str(PKI / "store-ca.crt")}
    if store == "greenlake":
        api = {"api_endpoint": net.greenlake_endpoint, "token_url": f"{net.greenlake_endpoint}/as/token.oauth2"}
        client = {"api_ca_file": common["ca_file"], "client_profile": "lab", "system_id": daemons.GREENLAKE_SYSTEM}
        return {**common, **api, **client}
    if store == "existing":
        return {**common, "secret_namespace": HANDED_OVER, "milvus_secret": "rag-milvus", "documents_secret": "rag-documents"}
    return {**common, "iam_endpoint": net.iam_endpoint, "admin_profile": "lab-admin"}


def chosen(asked: str | None, config: Mapping[str, Any], *, empty: bool) -> str:
    """Return the driver that is asked for, else what the stack has; LabError for another one while data is on its buckets."""
    has = str(config.get("milvus-x10000:object_store", {}).get("driver", "s3")) if config else None
    if asked is not None and has is not None and asked != has and not empty:
        raise LabError(f"the lab's stack came by its buckets with {has}, now {asked} is asked for", f"./rag down; ./rag up --store {asked}")
    return asked or has or "s3"


def hand_over(net: Network, buckets: Mapping[str, bool]) -> None:
    """Make the buckets (versioned or not) unless they are there, a key for each, and a Secret of the bucket's name with it."""
    session = boto3.Session(*daemons.administrator(), region_name="us-east-1")
    verify, config = str(PKI / "store-ca.crt"), Config(s3={"addressing_style": "path"})
    s3 = session.client("s3", endpoint_url=net.s3_endpoint, verify=verify, config=config)
    iam = session.client("iam", endpoint_url=net.iam_endpoint, verify=verify, config=config)
    objects: list[dict[str, Any]] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HANDED_OVER}}]
    for bucket, versioned in buckets.items():
        if bucket not in {known["Name"] for known in s3.list_buckets()["Buckets"]}:
            s3.create_bucket(Bucket=bucket)
        if versioned:
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        if cluster.kubectl("-n", HANDED_OVER, "get", "secret", bucket).returncode:
            metadata = {"name": bucket, "namespace": HANDED_OVER}
            objects.append({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": _key(iam, bucket)})
    applied = cluster.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    if applied.returncode:
        raise LabError(f"the cluster refused the Secrets: {applied.stderr.strip()}", "./rag down; ./rag up")


def _key(iam: "IAMClient", bucket: str) -> dict[str, str]:
    user = f"{bucket}_handed-over"
    if user not in {known["UserName"] for known in iam.list_users()["Users"]}:
        iam.create_user(UserName=user)
    statements = [
        {"Effect": "Allow", "Action": _BUCKET, "Resource": [f"arn:aws:s3:::{bucket}"]},
        {"Effect": "Allow", "Action": _OBJECTS, "Resource": [f"arn:aws:s3:::{bucket}/*"]},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=user, PolicyName="one-bucket", PolicyDocument=document)
    for old in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=user, AccessKeyId=old["AccessKeyId"])
    made = iam.create_access_key(UserName=user)["AccessKey"]
    return {"access_key": made["AccessKeyId"], "secret_key": made["SecretAccessKey"]}
