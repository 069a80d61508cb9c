"""The store `cosi`: a bucket and its keys through COSI (`objectstorage.k8s.io/v1alpha1`), as HPE's driver takes it.

Class and claim of a bucket, class and access of a user a generation, each waited for before the next is asked for, and the second bucket
after all of the first one. An access whose claim is not ready yet is recorded as a failure by COSI, and two objects that are made at once
can fail in HPE's driver (its release notes, also of 2.0.0). COSI names the bucket itself, and gives its user every right on it and on
nothing else. A plug-in: nothing imports it but who chooses it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pulumi

from components.stores import Connection, Declared, ObjectStoreArgs, suffixed
from components.stores.cosi import bucket as kinds
from components.stores.cosi import manifests
from components.stores.cosi.bucket import AccessClassProvider
from components.stores.cosi.credential import CosiCredential, CosiCredentialProvider
from components.stores.cosi.manifests import Backend, Mark

__all__ = ["AccessClassProvider", "Backend", "CosiCredentialProvider", "CosiStore"]


@dataclass(frozen=True, kw_only=True)
class CosiStore:
    """Has COSI make them; `bucket` of the arguments is what the claim is called, since COSI names the bucket."""

    backend: Backend
    connection: Connection  # where the bucket is, for whoever uses it
    timeout_s: int  # how long one object may take
    after: Sequence[pulumi.Resource] = ()  # what COSI has to be done with before
    settings: str = ""

    def declare(self, name: str, args: ObjectStoreArgs, parent: pulumi.Resource) -> Declared:
        """Declare one claim, and one credential a valid generation."""
        timeout, mark = {"timeout_s": self.timeout_s}, Mark(name=args.bucket, namespace=None, owner=args.owner)
        opts = pulumi.ResourceOptions(parent=parent, depends_on=list(self.after))
        manifest = manifests.bucket_class(mark, self.backend, args.options)
        bucket_class = kinds.BucketClass(kinds.BucketClassProvider(self.settings), f"{name}-class", {**manifest, **timeout}, opts)
        asked = manifests.bucket_claim(replace(mark, namespace=args.namespace), bucket_class.metadata["name"])
        provider, inputs = kinds.BucketClaimProvider(self.settings), {**asked, **timeout, "bucket": None}
        claim = kinds.BucketClaim(provider, f"{name}-bucket", inputs, args.bucket_opts(parent))
        manifest = manifests.access_class(mark, self.backend)
        opts = pulumi.ResourceOptions(parent=parent, depends_on=[claim])
        access_class = kinds.BucketAccessClass(AccessClassProvider(self.settings), f"{name}-access-class", {**manifest, **timeout}, opts)
        bucket = {"bucket": claim.bucket, "versioned": args.options.versioned, "lock": args.options.inputs()["lock"]}
        inputs = {**self.connection.inputs(), **timeout, **bucket}
        credentials: list[CosiCredential] = []
        for number in args.generations.valid():
            user = Mark(name=suffixed(args.bucket, number), namespace=args.namespace, owner=args.owner)
            access = manifests.bucket_access(user, access_class.metadata["name"], args.bucket)
            opts = pulumi.ResourceOptions(parent=parent, depends_on=list(credentials))
            resource = suffixed(f"{name}-credential", number)
            credentials.append(CosiCredential(CosiCredentialProvider(self.settings), resource, {**access, **inputs}, opts))
        return (claim.bucket, credentials[-1])
