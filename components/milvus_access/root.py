"""The first user of Milvus, `root`, and the Secret with its password.

Milvus from 2.5 on takes the password from its environment at its very first start; an older one, or one that ran without
authentication before, starts with a published default. `login.Login` closes that hole after the installation, and whoever makes
databases, users and roles begins with this Secret.
"""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s
from pulumi import dynamic

from components.random_secret import RandomSecretProvider

USER = "root"
SECRET_NAME = "milvus-root"  # noqa: S105  the name of a Secret
PASSWORD_BYTES = 24
"""192 bits, 32 characters: Milvus takes 6 to 72."""


@dataclass(frozen=True, kw_only=True)
class MilvusRootArgs:
    """Where the Secret lies, and which password is valid."""

    namespace: pulumi.Input[str]
    """Kubernetes namespace of the Secret."""
    generation: int
    """A higher number is another password."""


class Password(dynamic.Resource, module="milvus", name="Password"):
    """A random password that stays the same until `generation` changes."""

    password: pulumi.Output[str]
    """Secret in the state."""

    def __init__(self, name: str, *, generation: int, opts: pulumi.ResourceOptions | None = None) -> None:
        provider = RandomSecretProvider(number="generation", output="password", size_bytes=PASSWORD_BYTES)
        secret = pulumi.ResourceOptions(additional_secret_outputs=["password"])
        super().__init__(provider, name, {"generation": generation, "password": None}, pulumi.ResourceOptions.merge(opts, secret))


class MilvusRoot(pulumi.ComponentResource):
    """The first user of Milvus, `root`, and the Secret with its password."""

    secret_name: pulumi.Output[str]
    """Kubernetes Secret with `username` and `password`."""
    password: pulumi.Output[str]
    """Secret: for those who speak to Milvus while the stack is made."""

    def __init__(self, name: str, args: MilvusRootArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("milvus-x10000:index:MilvusRoot", name, None, opts)
        self.password = Password(f"{name}-password", generation=args.generation, opts=pulumi.ResourceOptions(parent=self)).password
        self.secret_name = self._make_secret(name, args).metadata["name"]
        self.register_outputs({"secret_name": self.secret_name})

    def _make_secret(self, name: str, args: MilvusRootArgs) -> k8s.core.v1.Secret:
        return k8s.core.v1.Secret(
            f"{name}-secret",
            metadata={"name": SECRET_NAME, "namespace": args.namespace},
            string_data={"username": USER, "password": self.password},
            opts=pulumi.ResourceOptions(parent=self),
        )
