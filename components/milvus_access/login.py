"""That `root` of a running Milvus has the password of our Secret, whatever it had before.

Tries the declared password, the one before it and the published default, and changes what it finds. A Milvus whose `root` has another
password is refused: somebody else owns it.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import dynamic

from components.dynamic_provider import Provider, inputs_of
from components.milvus_access.errors import AccessError, explained
from components.milvus_access.reach import reached

_USER = "root"
_FACTORY_PASSWORD = "Milvus"  # noqa: S105  published by Milvus; this file takes it out of use


class LoginProvider(Provider):
    """Inputs: `uri`, `ca_pem`, `password`."""

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Take the default password out of use, or find that it is."""
        inputs = inputs_of(props)
        self._ensure(inputs, (_FACTORY_PASSWORD,))
        return dynamic.CreateResult(_USER, inputs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Change the old password into the new one."""
        inputs = inputs_of(_news)
        self._ensure(inputs, (_olds["password"], _FACTORY_PASSWORD))
        return dynamic.UpdateResult(inputs)

    def _ensure(self, inputs: Mapping[str, Any], others: tuple[str, ...]) -> None:
        uri, password = inputs["uri"], inputs["password"]
        with self.naming(), explained(f"Milvus ({uri})", "set the password of root"), reached(uri, inputs["ca_pem"]) as way:
            if way.accepts(_USER, password):
                return
            known = next((other for other in others if way.accepts(_USER, other)), None)
            if known is None:
                raise AccessError(
                    f"Milvus at {uri} refuses root with the password of the Secret, with the one before it and with the default: "
                    "somebody else set it. Cure: set it to the Secret's with whatever client still knows it, then run `pulumi up` again",
                    code="milvus.foreign_root",
                )
            with way.client(_USER, known) as milvus:
                milvus.update_password(user_name=_USER, old_password=known, new_password=password)


class Login(dynamic.Resource, module="milvus", name="Login"):
    """`root` of the Milvus at `uri` has `password`."""

    def __init__(
        self,
        name: str,
        *,
        uri: pulumi.Input[str],
        ca_pem: str,
        password: pulumi.Input[str],
        settings: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["password"])
        inputs = {"uri": uri, "ca_pem": ca_pem, "password": pulumi.Output.secret(password)}
        super().__init__(LoginProvider(settings), name, inputs, pulumi.ResourceOptions.merge(opts, secret))
