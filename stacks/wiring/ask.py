"""The service of questions as the settings ask for it, with what it reads of the rest of the stack."""

from collections.abc import Mapping

import pulumi

from components.ask import Ask, AskArgs, Mounted
from components.milvus_access.users import DEFAULT_DATABASE
from components.models import ModelService
from components.pods import Resources
from components.quota import Consumer
from components.stores import ObjectStore
from components.tenancy import Tenancy
from components.trust import CA_KEY, Trust
from stacks.endpoints import Endpoints
from stacks.settings import Settings
from stacks.settings.images import AskSettings

_LOGIN, _STORE, _SERVICE = ("username", "password"), ("access_key", "secret_key"), ("api_key",)


def declare(
    settings: Settings,
    tenancy: Tenancy,
    outputs: Endpoints,
    *,
    documents: ObjectStore,
    trust: Trust,
    services: Mapping[str, ModelService | None],
) -> Ask | None:
    """Return the service, None where none is asked for."""
    chosen, image = settings.ask, settings.images.suite
    if chosen is None or image is None:
        return None
    plain = {name: value for name, value in vars(outputs).items() if not name.startswith("ask_")}
    args = AskArgs(
        namespace=tenancy.namespace,
        account=tenancy.accounts["ask"],
        image=image,
        replicas=chosen.replicas,
        resources=_resources(chosen),
        target=pulumi.Output.json_dumps(plain, sort_keys=True),
        mounted=(*_of_stack(settings, outputs, documents, trust), *_of_models(settings, services)),
        databases=(DEFAULT_DATABASE, *settings.access.tenants),
        tenants=settings.access.tenants,
        credential_generation=documents.credential_generation,
        rotation=chosen.key_rotation,
        options=settings.pod_options,
        monitor_labels=settings.monitoring.labels if settings.monitoring.enabled else None,
        cluster_domain=settings.cluster.domain,
    )
    return Ask("ask", args)


def _of_stack(settings: Settings, outputs: Endpoints, documents: ObjectStore, trust: Trust) -> list[Mounted]:
    mounted = [Mounted(kind="secret", name=documents.secret_name, keys=_STORE)]
    if settings.object_store.ca_pem:
        mounted.append(Mounted(kind="configMap", name=trust.config_map_name, keys=(CA_KEY,)))
    if settings.milvus.tls.ca_pem:
        mounted.append(Mounted(kind="configMap", name=outputs.milvus_ca_config_map, keys=(CA_KEY,)))
    if settings.milvus.authentication:
        logins = (outputs.milvus_search_secret_name, *(f"milvus-{tenant}-search" for tenant in settings.access.tenants))
        mounted += [Mounted(kind="secret", name=login, keys=_LOGIN) for login in logins]
    return mounted


def _of_models(settings: Settings, services: Mapping[str, ModelService | None]) -> list[Mounted]:
    mounted = list[Mounted]()
    for name, service in services.items():
        chosen = settings.model_services[name]
        if service is None or chosen is None:
            continue
        if chosen.external is None or chosen.external.secret_name:
            mounted.append(Mounted(kind="secret", name=service.secret_name, keys=_SERVICE))
        if chosen.external is not None and chosen.ca_pem:
            mounted.append(Mounted(kind="configMap", name=service.ca_config_map, keys=(CA_KEY,)))
    return mounted


def _resources(chosen: AskSettings) -> Resources:
    return Resources(cpu_cores=chosen.cpu_cores, memory_gib=chosen.memory_gib)


def consumers(settings: Settings) -> list[Consumer]:
    """What it takes from the quota, at its most."""
    chosen = settings.ask
    return [Consumer(name="ask", replicas=chosen.replicas, resources=_resources(chosen))] if chosen is not None else []
