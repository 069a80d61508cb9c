"""What Milvus or the way to it answered, in words that help.

    ProviderError
      AccessError    Milvus cannot be administered as declared; the message is for the operator

Every foreseen failure of pymilvus, gRPC and the Kubernetes client becomes one. No password is in any message.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from kubernetes.client import ApiException
from pymilvus import MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types

from components.dynamic_provider import ProviderError


class AccessError(ProviderError):
    """Milvus cannot be administered as declared."""


@contextmanager
def explained(place: str, action: str) -> Iterator[None]:
    """Turn a foreseen failure of `action` into an AccessError."""
    try:
        yield
    except MilvusException as error:
        raise AccessError(f"{place}: cannot {action}: {error.message}", code="milvus.refused") from None
    except grpc.RpcError as error:
        detail = error.details() if isinstance(error, grpc.Call) else str(error)
        raise AccessError(f"{place}: cannot {action}: {detail}", code="milvus.refused") from None
    except ApiException as error:
        text = f"{place}: cannot {action}: the Kubernetes API answers {error.status} ({error.reason})"
        raise AccessError(text, code="cluster.refused") from None
    except OSError as error:
        text = f"{place}: cannot {action}: {error}. Cure: does `kubectl get namespaces` work in this shell?"
        raise AccessError(text, code="cluster.unreachable") from None
