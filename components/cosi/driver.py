"""Driver `cosi`: class and claim of a bucket, class and access of a user a generation, each waited for before the next is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.cosi import manifests
from components.cosi.bucket import BucketClaim, BucketClass
from components.cosi.credential import BucketAccessClass, CosiCredential
from components.cosi.manifests import Backend, Mark
from components.cosi.place import Place
from components.generations import suffixed
from components.store_driver import Declared, ObjectStoreArgs


@dataclass(frozen=True, kw_only=True)
class CosiDriver:
    """Has COSI make them; `bucket` of the arguments is what the claim is called, since COSI names the bucket."""

    backend: Backend
    place: Place
    timeout_s: int
    """How long one object may take."""
    after: Sequence[pulumi.Resource] = ()
    """What COSI has to be done with before."""

    def declare(self, name: str, args: ObjectStoreArgs, parent: pulumi.Resource) -> Declared:
        """One claim, and one credential a valid generation; COSI's user may do everything with its bucket, whatever `permissions` say."""
        claim = self._claim(name, args, parent)
        shared = BucketAccessClass(
            f"{name}-access-class",
            manifest=manifests.access_class(Mark(name=args.bucket, namespace=None, owner=args.owner), self.backend),
            timeout_s=self.timeout_s,
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[claim]),
        )
        like = {"versioned": args.options.versioned, "lock": args.options.inputs()["lock"]}
        made: list[CosiCredential] = []
        for number in args.generations.valid():
            mark = Mark(name=suffixed(args.bucket, number), namespace=args.namespace, owner=args.owner)
            one = CosiCredential(
                suffixed(f"{name}-credential", number),
                manifest=manifests.bucket_access(mark, shared.metadata["name"], args.bucket),
                place=self.place,
                inputs={"bucket": claim.bucket, **like, "timeout_s": self.timeout_s},
                opts=pulumi.ResourceOptions(parent=parent, depends_on=list(made)),
            )
            made.append(one)
        newest = made[-1]
        return Declared(bucket=claim.bucket, access_key=newest.access_key, secret_key=newest.secret_key, generation=newest.generation)

    def _claim(self, name: str, args: ObjectStoreArgs, parent: pulumi.Resource) -> BucketClaim:
        its_class = BucketClass(
            f"{name}-class",
            manifest=manifests.bucket_class(Mark(name=args.bucket, namespace=None, owner=args.owner), self.backend, args.options),
            timeout_s=self.timeout_s,
            opts=pulumi.ResourceOptions(parent=parent, depends_on=list(self.after)),
        )
        mark = Mark(name=args.bucket, namespace=args.namespace, owner=args.owner)
        return BucketClaim(
            f"{name}-bucket",
            manifest=manifests.bucket_claim(mark, its_class.metadata["name"]),
            timeout_s=self.timeout_s,
            opts=args.bucket_opts(parent),
        )
