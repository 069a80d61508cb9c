"""What runs in the suite's own image inside the cluster: the preflight, load generators, the service of questions, backups, the gate."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pulumi

from components.ask import Ask, AskArgs
from components.component import CA_KEY, Mounted, Trust
from components.load_generators import LoadGenerators, LoadGeneratorsArgs
from components.milvus_access.users import DEFAULT_DATABASE
from components.models import ModelService
from components.pods import Resources
from components.preflight import Preflight, PreflightArgs
from components.preflight import needs as preflight_needs
from components.quota import Consumer
from components.scheduled import Backup, BackupArgs, ScheduledGate, ScheduledGateArgs
from components.stores import ObjectStore
from components.tenancy import Tenancy
from stacks import environments
from stacks.problems import failure, text_of
from stacks.settings import Settings
from stacks.settings.platform import AskSettings, BackupSettings, GateSettings, LoadGeneratorSettings
from stacks.wiring import milvus

Services = Mapping[str, ModelService | None]
_LOGIN, _STORE, _SERVICE = ("username", "password"), ("access_key", "secret_key"), ("api_key",)


def preflight(settings: Settings, tenancy: Tenancy, store: ObjectStore, documents: ObjectStore, trust: Trust) -> list[Preflight]:
    """Return what Milvus has to wait for: the Job, or nothing and a warning without an image for it."""
    if settings.images.suite is None:
        pulumi.log.warn(text_of("store_not_checked"))
        return []
    args = PreflightArgs(
        **_pod(settings, tenancy),
        store=milvus.store_of(settings, store, trust),
        other_bucket=documents.bucket,
        wal=settings.milvus.planned_log,
        performance=settings.preflight.performance,
        schedule=settings.preflight.schedule,
    )
    return [Preflight("preflight", args, pulumi.ResourceOptions(depends_on=[tenancy]))]  # its network policies let the Job out


def load_generators(
    settings: Settings, tenancy: Tenancy, trust: Trust, *, milvus_ca: pulumi.Output[str] | str, login: pulumi.Output[str] | str
) -> pulumi.Output[str] | str:
    """Name of the pod template that generators are made from; "" without an image for them, or where none is wanted."""
    if settings.images.suite is None or not settings.load_generators.pods:
        return ""
    args = LoadGeneratorsArgs(
        **_pod(settings, tenancy),
        resources=_resources(settings.load_generators),
        store_ca_config_map=trust.config_map_name if settings.object_store.ca_pem else None,
        milvus_ca_config_map=milvus_ca if settings.milvus.tls.ca_pem else None,
        login_secret=login if settings.milvus.authentication else None,
    )
    return LoadGenerators("load-generators", args).template


def ask(
    settings: Settings, tenancy: Tenancy, outputs: Mapping[str, Any], *, documents: ObjectStore, trust: Trust, services: Services
) -> Ask | None:
    """Return the service, None where none is asked for."""
    chosen = settings.ask
    if chosen is None or settings.images.suite is None:
        return None
    searching = [outputs["milvus_search_secret_name"], *(f"milvus-{tenant}-search" for tenant in settings.access.tenants)]
    args = AskArgs(
        **_pod(settings, tenancy, "ask"),
        replicas=chosen.replicas,
        resources=_resources(chosen),
        target=pulumi.Output.json_dumps(outputs, sort_keys=True),
        mounted=(*_of_stack(settings, outputs, documents, trust, searching), *_of_models(settings, services)),
        databases=(DEFAULT_DATABASE, *settings.access.tenants),
        tenants=settings.access.tenants,
        credential_generation=documents.credential_generation,
        rotation=chosen.key_rotation,
        monitor_labels=settings.monitoring.labels if settings.monitoring.enabled else None,
    )
    return Ask("ask", args)


def backup(settings: Settings, tenancy: Tenancy, outputs: Mapping[str, Any]) -> None:
    """Declare the backups on a schedule, where they are asked for."""
    chosen = settings.backup
    if chosen is None or settings.images.suite is None:
        return
    trust = Trust("backup-store-ca", namespace=tenancy.namespace, ca_pem=chosen.ca_pem)
    args = BackupArgs(
        **_pod(settings, tenancy),
        resources=_resources(chosen),
        target=pulumi.Output.json_dumps(outputs, sort_keys=True),
        mounted=tuple(_of_milvus(settings, outputs, _all_logins(outputs))),
        ca_config_map=trust.config_map_name if chosen.ca_pem else None,
        **chosen.model_dump(include={"endpoint", "region", "bucket", "secret", "schedule", "keep"}),
    )
    Backup("backup", args)


def gate(
    settings: Settings, tenancy: Tenancy, outputs: Mapping[str, Any], *, documents: ObjectStore, trust: Trust, services: Services
) -> None:
    """Declare the gate on a schedule, where it is asked for; SettingsError where there is no such SLO file."""
    chosen = settings.gate
    if chosen is None or settings.images.suite is None:
        return
    path = environments.slo_of(chosen.slo_of)
    try:
        slo = path.read_text(encoding="utf-8")
    except OSError as error:
        raise failure("gate_slo", file=path, error=error, environment=chosen.slo_of) from None
    mounted = [*_of_stack(settings, outputs, documents, trust, _all_logins(outputs)), *_of_models(settings, services)]
    if settings.ask is not None:
        mounted.append(Mounted(kind="secret", name=outputs["ask_secret_name"], keys=_SERVICE))
    args = ScheduledGateArgs(
        **_pod(settings, tenancy),
        resources=_resources(chosen),
        target=pulumi.Output.json_dumps(outputs, sort_keys=True),
        slo=slo,
        mounted=tuple(mounted),
        schedule=chosen.schedule,
    )
    ScheduledGate("gate", args)


def _pod(settings: Settings, tenancy: Tenancy, part: str = "suite") -> dict[str, Any]:
    """Return what every pod of the suite's image is given."""
    common = {"namespace": tenancy.namespace, "account": tenancy.accounts[part], "image": settings.images.suite}
    return {**common, "options": settings.pod_options, "cluster_domain": settings.cluster.domain}


def _all_logins(outputs: Mapping[str, Any]) -> list[pulumi.Input[str]]:
    return [outputs[f"milvus_{purpose}_secret_name"] for purpose in ("search", "ingest", "admin")]


def _of_milvus(settings: Settings, outputs: Mapping[str, Any], logins: Iterable[pulumi.Input[str]]) -> Iterator[Mounted]:
    if settings.milvus.tls.ca_pem:
        yield Mounted(kind="configMap", name=outputs["milvus_ca_config_map"], keys=(CA_KEY,))
    for login in logins if settings.milvus.authentication else ():
        yield Mounted(kind="secret", name=login, keys=_LOGIN)


def _of_stack(
    settings: Settings, outputs: Mapping[str, Any], documents: ObjectStore, trust: Trust, logins: Iterable[pulumi.Input[str]]
) -> list[Mounted]:
    mounted = [Mounted(kind="secret", name=documents.secret_name, keys=_STORE)]
    if settings.object_store.ca_pem:
        mounted.append(Mounted(kind="configMap", name=trust.config_map_name, keys=(CA_KEY,)))
    return [*mounted, *_of_milvus(settings, outputs, logins)]


def _of_models(settings: Settings, services: Services) -> list[Mounted]:
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


def _resources(chosen: AskSettings | BackupSettings | GateSettings | LoadGeneratorSettings) -> Resources:
    return Resources(cpu_cores=chosen.cpu_cores, memory_gib=chosen.memory_gib)


def consumers(settings: Settings) -> list[Consumer]:
    """What they take from the quota, at their most."""
    generators, asked, taken = settings.load_generators, settings.ask, list[Consumer]()
    if settings.images.suite is not None:
        needed = preflight_needs(performance=settings.preflight.performance)
        taken.append(Consumer(name="preflight", replicas=1, surge=0, resources=needed))
        if generators.pods:
            taken.append(Consumer(name="load generators", replicas=generators.pods, surge=0, resources=_resources(generators)))
    for name, scheduled in (("backup", settings.backup), ("gate", settings.gate)):
        if scheduled is not None:
            taken.append(Consumer(name=name, replicas=1, surge=0, resources=_resources(scheduled)))
    return [*taken, *([Consumer(name="ask", replicas=asked.replicas, resources=_resources(asked))] if asked is not None else [])]
