"""What a stack with COSI asks of the providers, step by step, and as a program for the real Pulumi."""

from typing import Any

from botocore.exceptions import ClientError
from pulumi import dynamic

from components.stores import BucketOptions
from components.stores.connection import s3_client
from components.stores.cosi import manifests
from components.stores.cosi.bucket import AccessClassProvider, BucketClaimProvider, BucketClassProvider
from components.stores.cosi.credential import CosiCredentialProvider
from components.stores.cosi.manifests import Backend, Mark
from components.stores.s3 import S3Server
from tests.components.stores.cosi.conftest import NAMESPACE

SETTINGS = "milvus-x10000:object_store"
OWNER = "milvus-x10000/cosi/uid"
BACKEND = Backend(driver_name="cosi.hpe.com", secret="hpe-object-backend", secret_namespace="hpe-cosi")
NAME = f"{NAMESPACE}-milvus"
LONG_S, SHORT_S = 60, 0.5
MILVUS = BucketOptions(versioned=False)


class Stack:
    """What a stack would ask of the providers, one after another; `end` takes all of it away."""

    def __init__(self, store: S3Server, *, options: BucketOptions = MILVUS, timeout_s: float = LONG_S, owner: str = OWNER) -> None:
        self.store, self.options, self.timeout_s, self.owner = store, options, timeout_s, owner
        self.made: list[tuple[dynamic.ResourceProvider, dict[str, Any]]] = []

    def claim(self) -> dict[str, Any]:
        """Class and claim."""
        self.create(BucketClassProvider(SETTINGS), manifests.bucket_class(self.mark(None), BACKEND, self.options))
        return self.create(BucketClaimProvider(SETTINGS), manifests.bucket_claim(self.mark(NAMESPACE), NAME))

    def access(self, claim: dict[str, Any], name: str = NAME) -> dict[str, Any]:
        """Access class and access."""
        self.create(AccessClassProvider(SETTINGS), manifests.access_class(self.mark(None), BACKEND))
        place = {"endpoint": self.store.endpoint, "region": self.store.region, "ca_pem": self.store.ca_pem}
        like = {"versioned": self.options.versioned, "lock": self.options.inputs()["lock"]}
        manifest = manifests.bucket_access(self.mark(NAMESPACE, name), NAME, NAME)
        return self.create(CosiCredentialProvider(SETTINGS), {**manifest, **place, **like, "bucket": claim["bucket"]})

    def mark(self, namespace: str | None, name: str = NAME) -> Mark:
        """Name and owner."""
        return Mark(name=name, namespace=namespace, owner=self.owner)

    def create(self, provider: dynamic.ResourceProvider, inputs: dict[str, Any]) -> dict[str, Any]:
        """Remembered before it is made, as it may be left over by a failure."""
        inputs = {**inputs, "timeout_s": self.timeout_s}
        self.made.append((provider, inputs))
        outputs = provider.create(inputs).outs
        assert outputs is not None
        return outputs

    def end(self) -> None:
        """The newest first, once."""
        while self.made:
            provider, inputs = self.made.pop()
            provider.delete("", {**inputs, "timeout_s": LONG_S})


def opens(store: S3Server, key: dict[str, Any], bucket: str) -> str:
    """What the store says to a write with the key: "" when it takes it.

    First an empty one: the server refuses before it reads the body, and closes, which a client that still sends sees first.
    """
    with s3_client(store, key["access_key"], key["secret_key"]) as s3:
        try:
            s3.put_object(Bucket=bucket, Key="signed", Body=b"")
            s3.put_object(Bucket=bucket, Key="signed", Body=b"1")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
    return ""


SOURCE = """
import pulumi
from components.stores import ObjectStore
from components.stores import MILVUS, BucketOptions, Connection, Generations, Lock, ObjectStoreArgs
from components.stores.cosi import Backend, CosiStore

config = pulumi.Config()
namespace, retain = config.require("namespace"), config.require_bool("retain")
backend = Backend(driver_name="cosi.hpe.com", secret="hpe-object-backend", secret_namespace="hpe-cosi")
first = []
options = {"milvus": BucketOptions(versioned=False), "documents": BucketOptions(versioned=True, lock=Lock(mode="GOVERNANCE", days=1))}
for name in options:
    store = CosiStore(backend=backend, connection=Connection(**config.require_object("place")), timeout_s=60, after=tuple(first))
    args = ObjectStoreArgs(
        store=store, bucket=f"{namespace}-{name}", options=options[name], permissions=MILVUS,
        owner="e2e/uid", namespace=namespace, retain=retain, generations=Generations(),
    )
    first = [ObjectStore(f"{name}-store", args)]
"""
QUIET = ("--yes", "--skip-preview", "--non-interactive")
