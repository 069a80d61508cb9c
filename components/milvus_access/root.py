"""The first user of Milvus, `root`: the Secret with its password, and that a running Milvus really has it.

Milvus from 2.5 on takes the password from its environment at its very first start; an older one, or one that ran without authentication
before, starts with a published default. `Login` closes that hole after the installation, and whoever makes databases, users and roles
begins with this Secret.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import dynamic

from components.component import Component
from components.dynamic_provider import DynamicResource, Provider, inputs_of
from components.milvus_access.reach import AccessError, explained, reached
from components.random_secret import RandomSecretProvider

USER = "root"
SECRET_NAME = "milvus-root"  # noqa: S105  the name of a Secret
PASSWORD_BYTES = 24  # 192 bits, 32 characters: Milvus takes 6 to 72
_FACTORY_PASSWORD = "Milvus"  # noqa: S105  published by Milvus; this file takes it out of use


class Password(DynamicResource, module="milvus", name="Password"):
    """A random password that stays the same until `generation` changes."""

    results = secrets = ("password",)
    password: pulumi.Output[str]


class MilvusRoot(Component):
    """The first user of Milvus, `root`, and the Secret with its password; a higher `generation` is another password."""

    secret_name: pulumi.Output[str]  # Kubernetes Secret with `username` and `password`
    password: pulumi.Output[str]  # secret: for those who speak to Milvus while the stack is made

    def __init__(self, name: str, *, namespace: pulumi.Input[str], generation: int) -> None:
        super().__init__(name)
        provider = RandomSecretProvider(number="generation", output="password", size_bytes=PASSWORD_BYTES)
        self.password = Password(provider, f"{name}-password", {"generation": generation}, self._own).password
        self.secret_name = self._make_secret(f"{name}-secret", SECRET_NAME, namespace, username=USER, password=self.password)
        self.register_outputs({"secret_name": self.secret_name})


class LoginProvider(Provider):
    """Inputs: `uri`, `ca_pem`, `password`.

    Tries the declared password, the one before it and the published default, and changes what it finds. A Milvus whose `root` has another
    password is refused: somebody else owns it.
    """

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Take the default password out of use, or find that it is."""
        inputs = inputs_of(props)
        self._ensure(inputs, (_FACTORY_PASSWORD,))
        return dynamic.CreateResult(USER, inputs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Change the old password into the new one."""
        inputs = inputs_of(_news)
        self._ensure(inputs, (_olds["password"], _FACTORY_PASSWORD))
        return dynamic.UpdateResult(inputs)

    def _ensure(self, inputs: Mapping[str, Any], others: tuple[str, ...]) -> None:
        uri, password = inputs["uri"], inputs["password"]
        with self.naming(), explained(f"Milvus ({uri})", "set the password of root"), reached(uri, inputs["ca_pem"]) as way:
            if way.accepts(USER, password):
                return
            known = next((other for other in others if way.accepts(USER, other)), None)
            if known is None:
                raise AccessError.by_code("milvus.foreign_root", uri=uri)
            with way.client(USER, known) as milvus:
                milvus.update_password(user_name=USER, old_password=known, new_password=password)


class Login(DynamicResource, module="milvus", name="Login"):
    """`root` of the Milvus at `uri` has `password`, whatever it had before."""

    secrets = ("password",)
