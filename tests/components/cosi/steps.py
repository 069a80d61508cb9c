"""What a stack with COSI asks of the providers, step by step, and as a program for the real Pulumi."""

from typing import Any

from botocore.exceptions import ClientError
from pulumi import dynamic

from components.bucket_options import BucketOptions
from components.cosi import manifests
from components.cosi.bucket import BucketClaimProvider, BucketClassProvider
from components.cosi.credential import AccessClassProvider, CosiCredentialProvider
from components.cosi.manifests import Backend, Mark
from components.s3.client import client
from components.s3.store import Store
from tests.components.cosi.conftest import NAMESPACE

OWNER = "milvus-x10000/cosi/uid"
BACKEND = Backend(driver_name="cosi.hpe.com", secret="hpe-object-backend", secret_namespace="hpe-cosi")
NAME = f"{NAMESPACE}-milvus"
LONG_S, SHORT_S = 60, 0.5
MILVUS = BucketOptions(versioned=False)


class Stack:
    """What a stack would ask of the providers, one after another; `end` takes all of it away."""

    def __init__(self, store: Store, *, options: BucketOptions = MILVUS, timeout_s: float = LONG_S, owner: str = OWNER) -> None:
        self.store, self.options, self.timeout_s, self.owner = store, options, timeout_s, owner
        self.made: list[tuple[dynamic.ResourceProvider, dict[str, Any]]] = []

    def claim(self) -> dict[str, Any]:
        """Class and claim."""
        self.create(BucketClassProvider(), manifests.bucket_class(self.mark(None), BACKEND, self.options))
        return self.create(BucketClaimProvider(), manifests.bucket_claim(self.mark(NAMESPACE), NAME))

    def access(self, claim: dict[str, Any], name: str = NAME) -> dict[str, Any]:
        """Access class and access."""
        self.create(AccessClassProvider(), manifests.access_class(self.mark(None), BACKEND))
        place = {"endpoint": self.store.endpoint, "region": self.store.region, "ca_pem": self.store.ca_pem}
        like = {"versioned": self.options.versioned, "lock": self.options.inputs()["lock"]}
        manifest = manifests.bucket_access(self.mark(NAMESPACE, name), NAME, NAME)
        return self.create(CosiCredentialProvider(), {**manifest, **place, **like, "bucket": claim["bucket"]})

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


def opens(store: Store, key: dict[str, Any], bucket: str) -> str:
    """What the store says to a write with the key: "" when it takes it."""
    with client(store.endpoint, store.region, store.ca_pem, key["access_key"], key["secret_key"]) as s3:
        try:
            s3.put_object(Bucket=bucket, Key="signed", Body=b"1")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
    return ""


SOURCE = """
import pulumi
from components.bucket_options import BucketOptions, Lock
from components.cosi.driver import CosiDriver
from components.cosi.manifests import Backend
from components.cosi.place import Place
from components.generations import Generations
from components.object_store import ObjectStore
from components.s3 import policy
from components.store_driver import ObjectStoreArgs

config = pulumi.Config()
namespace, retain = config.require("namespace"), config.require_bool("retain")
backend = Backend(driver_name="cosi.hpe.com", secret="hpe-object-backend", secret_namespace="hpe-cosi")
first = []
options = {"milvus": BucketOptions(versioned=False), "documents": BucketOptions(versioned=True, lock=Lock(mode="GOVERNANCE", days=1))}
for name in options:
    driver = CosiDriver(backend=backend, place=Place(**config.require_object("place")), timeout_s=60, after=tuple(first))
    args = ObjectStoreArgs(
        driver=driver, bucket=f"{namespace}-{name}", options=options[name], permissions=policy.MILVUS,
        owner="e2e/uid", namespace=namespace, retain=retain, generations=Generations(),
    )
    first = [ObjectStore(f"{name}-store", args)]
"""
QUIET = ("--yes", "--skip-preview", "--non-interactive")
