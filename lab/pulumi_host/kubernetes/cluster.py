"""The API server, reached through the `kubernetes` dynamic client: apply, get, list, delete, logs, as plain data.

Owns the connection and its settings. Connects at first use, since importing the client takes most of a second and a preview of other
resources needs no cluster. Every failure leaves as one of `errors`.
"""

import importlib
import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .errors import RefusedError, UnreachableError, innermost_reason, refused, text_of
from .wire import Object

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 60
TIMEOUTS_S = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
MAX_CONNECTIONS = 64
"""As many as the engine may have operations under way; fewer would make the client complain on standard error."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NOT_FOUND = 404

PLAIN: dict[str, Any] = {"serializer": lambda _client, answer: answer, "_request_timeout": TIMEOUTS_S}
"""Options of every request: the answer as plain data, within bounded time."""


@dataclass(frozen=True)
class Settings:
    """Configuration of the kubernetes provider, as far as the stacks use it."""

    kubeconfig: str = ""
    """Contents or path; empty: KUBECONFIG, else ~/.kube/config."""
    context: str = ""
    namespace: str = ""
    """For objects that name none; empty: the context's."""


@dataclass(frozen=True)
class Reference:
    """Names one object."""

    api_version: str
    kind: str
    name: str
    namespace: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @classmethod
    def of(cls, manifest: Object) -> "Reference":
        """Reference to the object that a manifest describes."""
        metadata = manifest["metadata"]
        return cls(manifest["apiVersion"], manifest["kind"], metadata["name"], metadata.get("namespace"))


class Cluster:
    """One API server. Safe to use from many threads."""

    def __init__(self, settings: Settings, private: Path) -> None:
        self.settings = settings
        self._private = private
        """Folder for certificates and caches that nobody else may read."""
        self._lock = threading.RLock()
        self._failure: UnreachableError | None = None

    @cached_property
    def kubeconfig_files(self) -> str:
        """Path or paths of the kubeconfig, as the variable KUBECONFIG takes them."""
        given = self.settings.kubeconfig.strip()
        if "\n" not in given and not given.startswith("{"):
            return given or os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
        handle, path = tempfile.mkstemp(dir=self._private, suffix=".kubeconfig")  # mode 0600
        with os.fdopen(handle, "w") as file:
            file.write(given)
        return path

    def require(self) -> None:
        """Raise UnreachableError unless the API server answers. Asked once: a failure stays, and is short from then on."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            try:
                self._client  # noqa: B018 - connects
            except UnreachableError as error:
                self._failure = UnreachableError(str(error).partition(" (kubeconfig")[0])  # the cure once is enough
                raise

    @cached_property
    def default_namespace(self) -> str:
        """Namespace of objects that name none."""
        if self.settings.namespace:
            return self.settings.namespace
        config = importlib.import_module("kubernetes.config")
        contexts, active = config.list_kube_config_contexts(self.kubeconfig_files)
        chosen = next((one for one in contexts if one["name"] == self.settings.context), active)
        return str(chosen["context"].get("namespace") or "default")

    def is_namespaced(self, api_version: str, kind: str) -> bool | None:
        """Whether objects of the kind live in a namespace; None where the API server does not know the kind (yet)."""
        resource = self._resource(api_version, kind)
        return None if resource is None else bool(resource.namespaced)

    def apply(self, manifest: Object, manager: str, *, force: bool = False, dry_run: bool = False) -> Object:
        """Server-side apply; the live object. `force` takes fields over from other managers."""
        at = Reference.of(manifest)
        options: dict[str, Any] = {"field_manager": manager, "query_params": [("fieldValidation", "Strict")], **PLAIN}
        if force:
            options["force_conflicts"] = True
        if dry_run:
            options["dry_run"] = "All"
        resource = self._known(at)
        place = self._place(at)
        return _tidy(self._ask(at, lambda: resource.server_side_apply(body=manifest, **place, **options)))

    def get(self, at: Reference) -> Object | None:
        """The live object, with its field managers; None where it, its kind or its namespace is not there."""
        resource = self._resource(at.api_version, at.kind)
        if resource is None:
            return None
        try:
            return _tidy(self._ask(at, lambda: resource.get(**self._place(at), **PLAIN)), keep_managers=True)
        except RefusedError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def delete(self, at: Reference, propagation: str) -> bool:
        """Ask for deletion; False where there is nothing (any more)."""
        resource = self._resource(at.api_version, at.kind)
        if resource is None:
            return False
        try:
            self._ask(at, lambda: resource.delete(body={"propagationPolicy": propagation}, **self._place(at), **PLAIN))
        except RefusedError as error:
            if error.status == NOT_FOUND:
                return False
            raise
        return True

    def list(self, api_version: str, kind: str, namespace: str | None, **selectors: str) -> list[Object]:
        """Objects of a kind; `label_selector` and `field_selector` as kubectl takes them."""
        at = Reference(api_version, kind, "", namespace)
        resource = self._known(at)
        return list(self._ask(at, lambda: resource.get(namespace=namespace, **selectors, **PLAIN)).get("items") or [])

    def last_log_lines(self, namespace: str, pod: str, container: str, lines: int) -> str:
        """Last words of a container: of its previous run if there was one, else of this one; empty if it has none."""
        for previous in ("true", "false"):
            try:
                return self._log(namespace, pod, {"container": container, "previous": previous, "tailLines": str(lines)})
            except RefusedError:
                continue
        return ""

    def _log(self, namespace: str, pod: str, query: dict[str, str]) -> str:
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        options = {"query_params": list(query.items()), "serialize": False, "_request_timeout": TIMEOUTS_S}
        answer = self._translated(f"the log of pod {namespace}/{pod}", lambda: self._client.request("get", path, **options))
        return str(answer.data.decode(errors="replace"))

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 - the client is untyped
        with self._lock:
            try:
                return self._connect()
            except Exception as error:
                raise UnreachableError(
                    f"configured Kubernetes cluster is unreachable: {innermost_reason(error)} (kubeconfig: {self.kubeconfig_files}). "
                    "Nothing can be previewed or changed without it. Start it, or point KUBECONFIG at one that runs; "
                    "check with: kubectl get --raw /readyz"
                ) from error

    def _connect(self) -> Any:  # noqa: ANN401 - the client is untyped
        config, client, dynamic = (importlib.import_module(f"kubernetes.{name}") for name in ("config", "client", "dynamic"))
        settings = client.Configuration()
        config.load_kube_config(self.kubeconfig_files, context=self.settings.context or None, client_configuration=settings)
        settings.connection_pool_maxsize = MAX_CONNECTIONS
        settings.retries = 1
        api = client.ApiClient(settings)
        api.call_api(*api.param_serialize("GET", "/version", auth_settings=["BearerToken"]), _request_timeout=TIMEOUTS_S)
        return dynamic.DynamicClient(api, cache_file=str(self._private / "discovery.json"))

    def _resource(self, api_version: str, kind: str) -> Any | None:  # noqa: ANN401 - the client is untyped
        """How to reach objects of a kind; asks again once, since the kind may be newer than the last look."""
        self.require()
        unknown = importlib.import_module("kubernetes.dynamic.exceptions").ResourceNotFoundError
        with self._lock:
            resources = self._client.resources
            try:
                return resources.get(api_version=api_version, kind=kind)
            except unknown:
                resources.invalidate_cache()
            try:
                return resources.get(api_version=api_version, kind=kind)
            except unknown:
                return None

    def _known(self, at: Reference) -> Any:  # noqa: ANN401 - the client is untyped
        resource = self._resource(at.api_version, at.kind)
        if resource is None:
            raise RefusedError(
                f"the API server does not know {at.api_version} {at.kind}, so {at} cannot be applied. "
                "Install its CustomResourceDefinition first (kubectl api-resources lists what is known)",
                NOT_FOUND,
            )
        return resource

    def _place(self, at: Reference) -> dict[str, str]:
        if not self.is_namespaced(at.api_version, at.kind):
            return {"name": at.name}
        return {"name": at.name, "namespace": at.namespace or self.default_namespace}

    def _ask(self, at: Reference, call: Callable[[], Any]) -> Object:
        answer: Object = self._translated(str(at), call)
        return answer

    def _translated(self, what: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - the client is untyped
        api_error = importlib.import_module("kubernetes.client.exceptions").ApiException
        http_error = importlib.import_module("urllib3.exceptions").HTTPError
        try:
            return call()
        except api_error as error:
            raise refused(error.status or 0, text_of(error.body), what) from error
        except http_error as error:
            raise UnreachableError(f"the API server stopped answering while it was asked for {what}: {innermost_reason(error)}") from error


def _tidy(live: Object, *, keep_managers: bool = False) -> Object:
    """The live object without what must not enter the state: other managers' notes, and kubectl's copy of a whole (secret) object."""
    metadata = live["metadata"]
    if not keep_managers:
        metadata.pop("managedFields", None)
    (metadata.get("annotations") or {}).pop(LAST_APPLIED, None)
    return live
