"""One bucket, a credential that can touch nothing else, and the Secret that carries it.

How they are made is the store's: see `components.stores`. The secret key is secret from birth: in the state it is encrypted, in the
cluster it is in the Secret alone.
A retained bucket is protected as well: neither `destroy` nor a changed name can take it away from under the data.
Rotation: see `components.generations`.
`credential_generation` changes with the key in the Secret, and pods that carry it are rolled.
"""

import pulumi
import pulumi_kubernetes as k8s

from components.stores import ObjectStoreArgs, StoreOutputs


class ObjectStore(pulumi.ComponentResource):
    """One bucket, a credential that can touch nothing else, and the Secret that carries it."""

    bucket: pulumi.Output[str]
    """Name of the bucket."""
    secret_name: pulumi.Output[str]
    """Kubernetes Secret with `access_key` and `secret_key`, named like the component."""
    credential_generation: pulumi.Output[str]
    """Changes whenever the key does."""

    def __init__(self, name: str, args: ObjectStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("milvus-x10000:index:ObjectStore", name, None, opts)
        outputs = args.store.declare(name, args, self)
        self.bucket = outputs.bucket
        self.secret_name = self._make_secret(name, args.namespace, outputs).metadata["name"]
        self.credential_generation = outputs.generation
        self.register_outputs({"bucket": self.bucket, "secret_name": self.secret_name, "credential_generation": self.credential_generation})

    def _make_secret(self, name: str, namespace: pulumi.Input[str], outputs: StoreOutputs) -> k8s.core.v1.Secret:
        return k8s.core.v1.Secret(
            f"{name}-secret",
            metadata={"name": name, "namespace": namespace},
            string_data={"access_key": outputs.access_key, "secret_key": outputs.secret_key},
            opts=pulumi.ResourceOptions(parent=self),
        )
