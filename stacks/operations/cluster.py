"""The cluster of an environment: shown by every command that speaks to one, and refused where the settings name another one."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from kubernetes.client import ApiClient, CoreV1Api
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from components import kube_api
from components.kube_api import Cluster
from stacks.problems import PROJECT, SettingsError, UnansweredError
from stacks.settings import Settings

_PULUMI = "pulumi"  # how its names as a manager of fields begin


@contextmanager
def api(what: str, cure: str) -> Iterator[ApiClient]:
    """Open the API of the current context; UnansweredError that says what cannot be done where it does not answer."""
    try:
        with kube_api.opened() as opened:
            yield opened
    except (ApiException, HTTPError, ConfigException, OSError) as error:
        answered = f"does not answer ({type(error).__name__})"
        if isinstance(error, ApiException):
            answered = f"answered {error.status} {error.reason}"
        raise UnansweredError(f"{what}: the Kubernetes API {answered}; {cure}", code="cluster.unanswered") from None


def require(settings: Settings, environment: str) -> Cluster:
    """Return the cluster that this shell speaks to; SettingsError without a kubeconfig, and for another context than the environment's."""
    try:
        here = kube_api.current()
    except (ConfigException, OSError) as error:
        text = f"no Kubernetes configuration ({error}), so no cluster can be asked; set KUBECONFIG to your kubeconfig, in the lab: "
        raise SettingsError(f'{text}eval "$(./rag env)"', code="cluster.kubeconfig") from None
    context = settings.cluster.context
    if context is not None and here.context != context:
        wrong = f"{PROJECT}:cluster.context of {environment!r} is {context!r}, and the kubeconfig's current context is {here.context!r}"
        breaks = f"({here.server}): the command would act on another cluster than this environment's"
        raise SettingsError(f"{wrong} {breaks}; kubectl config use-context {context}", code="cluster.context")
    return here


def show(settings: Settings, environment: str) -> Cluster:
    """Require the cluster of an environment, and print it on standard error."""
    here = require(settings, environment)
    pin = f"pulumi config set --stack {environment} --path {PROJECT}:cluster.context {here.context}"
    hint = "" if settings.cluster.context is not None else f"; to refuse any other for {environment!r}: {pin}"
    print(f"cluster: context {here.context!r}, API server {here.server}{hint}", file=sys.stderr, flush=True)
    return here


def require_same_provider(settings: Settings, environment: str, context: str | None, others: str | None) -> None:
    """Refuse options of Pulumi's Kubernetes provider by which it alone, not Helm or kubectl, leaves the kubeconfig; SettingsError."""
    here = require(settings, environment)
    key = "kubernetes:context" if context not in {None, here.context} else "kubernetes:kubeconfig" if others else ""
    if key:
        wrong = f"{key} sends Pulumi's Kubernetes provider elsewhere than Helm, kubectl and the rest of this stack"
        breaks = f"which use the context {here.context!r} ({here.server}): one stack would be made in two clusters"
        cure = f"pulumi config rm {key}, then set {PROJECT}:cluster.context and KUBECONFIG"
        raise SettingsError(f"{wrong}, {breaks}; {cure}", code="cluster.provider")


def require_own_namespace(settings: Settings, environment: str, *, may_take_over: bool) -> None:
    """Refuse a namespace that is there and was not made by Pulumi, unless it is meant; SettingsError."""
    try:  # Pulumi's plugin takes over what exists (before 4.29); what cannot be looked at is left to it
        with kube_api.opened() as opened:
            metadata = json.loads(kube_api.answer(CoreV1Api(opened).read_namespace, settings.namespace))["metadata"]
    except (ApiException, HTTPError):
        return
    managers = [str(entry.get("manager")) for entry in metadata.get("managedFields", ())]
    if not may_take_over and not any(manager.startswith(_PULUMI) for manager in managers):
        wrong = f"the namespace {settings.namespace!r} is in the cluster already and was not made by Pulumi"
        breaks = "this stack would take it over, and `pulumi destroy` would delete it with all that is in it"
        meant = f"pulumi config set kubernetes:upsertExistingObjects true --stack {environment}"
        cure = f"choose another one ({PROJECT}:namespace), or, where it was made for this stack (docs/rbac.md): {meant}"
        raise SettingsError(f"{wrong}: {breaks}; {cure}", code="cluster.namespace")
