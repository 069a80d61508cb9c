"""Least privilege: which S3 actions each kind of user may call on its one bucket. Pure.

The lists are what was seen on the wire, no more. No user may list buckets, change a bucket's versioning, tags or policy, or delete an old
version: whoever steals the documents' key cannot destroy their history.
"""

import json
from dataclasses import dataclass

_COMMON_OBJECT_ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")


@dataclass(frozen=True, kw_only=True)
class Permissions:
    """Actions on the bucket itself and on its objects."""

    bucket_actions: tuple[str, ...]
    object_actions: tuple[str, ...]


MILVUS = Permissions(bucket_actions=("s3:ListBucket", "s3:GetBucketLocation"), object_actions=_COMMON_OBJECT_ACTIONS)
"""Milvus calls HeadBucket, ListObjects v1 and v2, GetObject, HeadObject, PutObject, DeleteObject and multipart uploads."""
DOCUMENTS = Permissions(
    bucket_actions=("s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketVersions", "s3:GetBucketVersioning"),
    object_actions=(*_COMMON_OBJECT_ACTIONS, "s3:GetObjectVersion"),
)
"""Originals are read back at the version that an answer cites."""
READER = Permissions(bucket_actions=("s3:ListBucket", "s3:GetBucketLocation"), object_actions=("s3:GetObject",))
"""Weights of a model are copied, never changed, by the pod that serves them."""


def document(bucket: str, permissions: Permissions) -> str:
    """IAM policy as canonical JSON, so that what a store gives back can be compared with it."""
    statements = [
        {"Effect": "Allow", "Action": list(permissions.bucket_actions), "Resource": [f"arn:aws:s3:::{bucket}"]},
        {"Effect": "Allow", "Action": list(permissions.object_actions), "Resource": [f"arn:aws:s3:::{bucket}/*"]},
    ]
    return canonical({"Version": "2012-10-17", "Statement": statements})


def canonical(policy: object) -> str:
    """One spelling for equal policies."""
    return json.dumps(policy, sort_keys=True, separators=(",", ":"))
