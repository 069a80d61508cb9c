"""That `root` of a running Milvus has the password of our Secret, whatever it had before.

    Exception
      LoginError    Milvus does not answer, or knows none of the passwords; the message is for the operator

Tries the wanted password, the one before it and the published default, and changes what it finds. A Milvus whose `root` has another
password is refused: somebody else owns it.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pulumi
from pulumi import dynamic
from pymilvus import MilvusClient, MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from components.dynamic_provider import Provider, inputs_of
from components.milvus_access.reach import reached

_USER = "root"
_FACTORY_PASSWORD = "Milvus"  # noqa: S105  published by Milvus; this file takes it out of use
_TIMEOUT_S = 10
_PATIENCE_S = 60


class LoginError(Exception):
    """Milvus does not answer, or knows none of the passwords."""


class _UnansweredError(LoginError):
    """Not yet, perhaps: its proxy may be starting."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Milvus as this machine reaches it."""

    uri: str
    """http(s)://host:port, or `cluster://NAMESPACE.svc.DOMAIN` for a way through the Kubernetes API."""
    ca_pem: str
    """PEM text of its certificate authority; "" for plain http or a public one."""

    @contextmanager
    def client(self, password: str) -> Iterator[MilvusClient]:
        """Connect as root; MilvusException if that fails."""
        with (
            reached(self.uri, self.ca_pem) as (uri, options),
            closing(MilvusClient(uri=uri, user=_USER, password=password, timeout=_TIMEOUT_S, **options)) as client,
        ):
            yield client


class LoginProvider(Provider):
    """Inputs: `uri`, `ca_pem`, `password`."""

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Take the default password out of use, or find that it is."""
        inputs = inputs_of(props)
        _ensure(inputs, (_FACTORY_PASSWORD,))
        return dynamic.CreateResult(_USER, inputs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Change the old password into the new one."""
        inputs = inputs_of(_news)
        _ensure(inputs, (_olds["password"], _FACTORY_PASSWORD))
        return dynamic.UpdateResult(inputs)


class Login(dynamic.Resource, module="milvus", name="Login"):
    """`root` of the Milvus at `uri` has `password`."""

    def __init__(
        self,
        name: str,
        *,
        uri: pulumi.Input[str],
        ca_pem: str,
        password: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["password"])
        inputs = {"uri": uri, "ca_pem": ca_pem, "password": pulumi.Output.secret(password)}
        super().__init__(LoginProvider(), name, inputs, pulumi.ResourceOptions.merge(opts, secret))


def _ensure(inputs: dict[str, Any], others: tuple[str, ...]) -> None:
    address, wanted = Address(uri=inputs["uri"], ca_pem=inputs["ca_pem"]), inputs["password"]
    if _accepts(address, wanted):
        return
    known = next((password for password in others if _accepts(address, password)), None)
    if known is None:
        raise LoginError(
            f"Milvus at {address.uri} refuses root with the password of the Secret, with the one before it and with the default: somebody "
            "else set it. Cure: set it to the Secret's with whatever client still knows it, then run `pulumi up` again"
        )
    with address.client(known) as client:
        client.update_password(user_name=_USER, old_password=known, new_password=wanted, timeout=_TIMEOUT_S)


@retry(retry=retry_if_exception_type(_UnansweredError), stop=stop_after_delay(_PATIENCE_S), wait=wait_fixed(2), reraise=True)
def _accepts(address: Address, password: str) -> bool:
    try:
        with address.client(password) as client:
            client.list_databases(timeout=_TIMEOUT_S)
    except (MilvusException, grpc.RpcError) as error:
        if _is_refusal(error):
            return False
        raise _UnansweredError(
            f"Milvus at {address.uri} does not answer this machine, so the published default password of root may still be valid "
            f"({error}). Cure: run this where that address is reached, or set milvus-x10000:milvus.administration_uri to one that is, "
            "for example http://127.0.0.1:19530 with `kubectl -n NAMESPACE port-forward service/milvus 19530` beside it"
        ) from None
    return True


def _is_refusal(error: BaseException) -> bool:
    """Whether Milvus answered, and said that it does not know user or password; pymilvus hides that behind a failed connection."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, grpc.RpcError) and cause.code() is grpc.StatusCode.UNAUTHENTICATED:
            return True
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return False
