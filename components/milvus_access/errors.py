"""What Milvus or the way to it answered, in words that help.

    Exception
      AccessError    Milvus cannot be administered as declared; the message is for the operator

Every foreseen failure of pymilvus, gRPC and the Kubernetes client becomes one. No password is in any message.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from kubernetes.client import ApiException
from kubernetes.config.config_exception import ConfigException
from pymilvus import MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types
from urllib3.exceptions import HTTPError


class AccessError(Exception):
    """Milvus cannot be administered as declared."""


@contextmanager
def explained(place: str, action: str) -> Iterator[None]:
    """Turn a foreseen failure of `action` into an AccessError."""
    try:
        yield
    except MilvusException as error:
        raise AccessError(f"{place}: cannot {action}: {error.message}") from None
    except grpc.RpcError as error:
        detail = error.details() if isinstance(error, grpc.Call) else str(error)
        raise AccessError(f"{place}: cannot {action}: {detail}") from None
    except ApiException as error:
        raise AccessError(f"{place}: cannot {action}: the Kubernetes API answers {error.status} ({error.reason})") from None
    except (ConfigException, HTTPError, OSError) as error:
        raise AccessError(f"{place}: cannot {action}: {error}. Cure: does `kubectl get namespaces` work in this shell?") from None
