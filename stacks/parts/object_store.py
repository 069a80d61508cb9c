"""A bucket with its credential as the settings ask for it."""

import pulumi

from components.object_store import ObjectStore, ObjectStoreArgs
from components.s3 import policy
from components.s3.store import Store
from components.tenancy import Tenancy
from stacks.settings import PROJECT, Settings


def declare(
    name: str, settings: Settings, tenancy: Tenancy, bucket: str, permissions: policy.Permissions, *, versioned: bool
) -> ObjectStore:
    """Mark bucket and user with the namespace's uid: a stack of the same name elsewhere, or after a lost cluster, is another owner."""
    chosen = settings.object_store
    store = Store(
        endpoint=chosen.endpoint,
        iam_endpoint=chosen.iam_endpoint,
        region=chosen.region,
        ca_pem=chosen.ca_pem,
        admin_profile=chosen.admin_profile,
    )
    args = ObjectStoreArgs(
        store=store,
        bucket=bucket,
        versioned=versioned,
        permissions=permissions,
        owner=pulumi.Output.format("{0}/{1}/{2}", PROJECT, pulumi.get_stack(), tenancy.uid),
        namespace=tenancy.namespace,
        retain=chosen.on_destroy == "retain",
        generations=chosen.generations,
    )
    return ObjectStore(name, args)
