"""The store `cosi`: class and claim of a bucket, class and access of a user a generation, each waited for before the next is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.stores import ObjectStoreArgs, StoreOutputs, suffixed
from components.stores.connection import Connection
from components.stores.cosi import manifests
from components.stores.cosi.bucket import (
    AccessClassProvider,
    BucketAccessClass,
    BucketClaim,
    BucketClaimProvider,
    BucketClass,
    BucketClassProvider,
)
from components.stores.cosi.credential import CosiCredential, CosiCredentialProvider
from components.stores.cosi.manifests import Backend, Mark


@dataclass(frozen=True, kw_only=True)
class CosiStore:
    """Has COSI make them; `bucket` of the arguments is what the claim is called, since COSI names the bucket."""

    backend: Backend
    connection: Connection
    """Where the bucket is, for whoever uses it."""
    timeout_s: int
    """How long one object may take."""
    after: Sequence[pulumi.Resource] = ()
    """What COSI has to be done with before."""
    settings: str = ""
    """Name of the group of settings that this comes from, for messages."""

    def declare(self, name: str, args: ObjectStoreArgs, parent: pulumi.Resource) -> StoreOutputs:
        """Declare one claim, and one credential a valid generation; COSI's user may do everything with its bucket."""
        claim = self._claim(name, args, parent)
        manifest = manifests.access_class(Mark(name=args.bucket, namespace=None, owner=args.owner), self.backend)
        opts = pulumi.ResourceOptions(parent=parent, depends_on=[claim])
        provider = AccessClassProvider(self.settings)
        access_class = BucketAccessClass(provider, f"{name}-access-class", {**manifest, **self._timeout}, opts)
        inputs = {
            **self.connection.inputs(),
            **self._timeout,
            "bucket": claim.bucket,
            "versioned": args.options.versioned,
            "lock": args.options.inputs()["lock"],
        }
        credentials: list[CosiCredential] = []
        for number in args.generations.valid():
            mark = Mark(name=suffixed(args.bucket, number), namespace=args.namespace, owner=args.owner)
            access = manifests.bucket_access(mark, access_class.metadata["name"], args.bucket)
            opts = pulumi.ResourceOptions(parent=parent, depends_on=list(credentials))
            resource = suffixed(f"{name}-credential", number)
            credentials.append(CosiCredential(CosiCredentialProvider(self.settings), resource, {**access, **inputs}, opts))
        return StoreOutputs.newest(claim.bucket, credentials)

    @property
    def _timeout(self) -> dict[str, int]:
        return {"timeout_s": self.timeout_s}

    def _claim(self, name: str, args: ObjectStoreArgs, parent: pulumi.Resource) -> BucketClaim:
        manifest = manifests.bucket_class(Mark(name=args.bucket, namespace=None, owner=args.owner), self.backend, args.options)
        opts = pulumi.ResourceOptions(parent=parent, depends_on=list(self.after))
        bucket_class = BucketClass(BucketClassProvider(self.settings), f"{name}-class", {**manifest, **self._timeout}, opts)
        mark = Mark(name=args.bucket, namespace=args.namespace, owner=args.owner)
        claim = {**manifests.bucket_claim(mark, bucket_class.metadata["name"]), **self._timeout, "bucket": None}
        return BucketClaim(BucketClaimProvider(self.settings), f"{name}-bucket", claim, args.bucket_opts(parent))
