"""Typed settings: every one, its default, its reason, an example; one file a group. The only reader of the stack's configuration.

Refuses an unknown key, since a typing error would be silence; and a key or a password anywhere, since there is no field for one.
Everything is checked before anything is created.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import ValidationError, model_validator

from components.pods import PodOptions
from stacks.problems import PROJECT, ConflictError, Problem, Reason, SettingsError, WrongValueError, problem, reason, set_command, shown_as
from stacks.settings import models, platform
from stacks.settings.explain import example_of, explain
from stacks.settings.group import Group, parsed, setting
from stacks.settings.milvus import MilvusSettings, refusals
from stacks.settings.models import EmbeddingSettings, KedaSettings, LlmSettings, RerankerSettings
from stacks.settings.models.serving import Serving
from stacks.settings.names import TABLES, Namespace, require_bucket_name
from stacks.settings.object_store import S3_EXAMPLE, CosiSettings, ExistingSettings, ObjectStoreSettings, S3Settings
from stacks.settings.tenancy import AccessSettings, NetworkSettings, QuotaSettings, ResidencySettings


def default_bucket(namespace: str) -> str:
    """Name of Milvus's bucket where none is chosen."""
    return f"{namespace}-milvus"


BACKUP_EXAMPLE = '\'{"endpoint": "https://backup.example.net", "bucket": "rag-backups", "secret": "backup-key"}\''


class Settings(Group):
    """One environment."""

    namespace: Namespace = setting("rag", "rag", "namespace that the stack makes and owns")
    images: platform.ImageSettings = setting(..., '\'{"milvus": "registry.example.net/milvusdb/milvus:v2.6.21"}\'', "what runs")
    images_pinned: Literal["required", "optional"] = setting("optional", "required")
    """required: nothing goes up without stacks/images.ENV.lock; a lock that is there is used in either case"""
    registry: platform.RegistrySettings = setting(platform.RegistrySettings(), '\'{"ca_file": "/etc/ssl/registry-ca.crt"}\'')
    """where images are pulled from"""
    promotion: platform.PromotionSettings | None = setting(None, '\'{"passed_in": "staging"}\'')
    """which environment's gate images and chart must have passed before they run here; none by default"""
    object_store: ObjectStoreSettings = setting(..., S3_EXAMPLE, "the S3 store")
    preflight: platform.PreflightSettings = setting(platform.PreflightSettings(), "'{\"performance\": true}'")
    """the look at the store from inside the cluster"""
    load_generators: platform.LoadGeneratorSettings = setting(platform.LoadGeneratorSettings(), "'{\"pods\": 4}'")
    """pods that send the gate's searches"""
    ask: platform.AskSettings | None = setting(None, "'{\"replicas\": 2}'")
    """the service that answers questions with their sources; none by default"""
    backup: platform.BackupSettings | None = setting(None, BACKUP_EXAMPLE, "backups of Milvus's collections on a schedule; none by default")
    gate: platform.GateSettings | None = setting(None, '\'{"slo_of": "prod"}\'', "the gate on a schedule; none by default")
    milvus: MilvusSettings = setting(MilvusSettings(), "'{\"memory_gib\": 16}'", "the vector database")
    access: AccessSettings = setting(AccessSettings(), '\'{"tenants": ["sales"]}\'', "who may log in to Milvus besides root")
    embedding: EmbeddingSettings = setting(EmbeddingSettings(), "'{\"dimension\": 384}'", "the embedding service")
    llm: LlmSettings = setting(LlmSettings(), "'{\"context_tokens\": 4096}'", "the LLM service")
    reranker: RerankerSettings | None = setting(None, '\'{"engine": "lab", "model": "lab-reranker"}\'', "the reranker; none by default")
    keda: KedaSettings | None = setting(None, '\'{"prometheus_url": "http://prometheus.monitoring.svc:9090"}\'')
    """KEDA, where it is installed"""
    quota: QuotaSettings | None = setting(None, '\'{"cpu_cores": 16, "memory_gib": 64}\'', "limit of the namespace")
    residency: ResidencySettings = setting(ResidencySettings(), '\'{"mode": "locked", "allowed": ["10.0.0.0/8"]}\'', "where data may go")
    network: NetworkSettings = setting(NetworkSettings(), "'{\"dns_port\": 53}'", "what network policies must be told")
    pods: platform.PodSettings = setting(platform.PodSettings(), '\'{"node_selector": {"pool": "rag"}}\'', "what every pod gets")
    pod_security: platform.PodSecuritySettings = setting(platform.PodSecuritySettings(), "'{\"assign_ids\": false}'")
    """what the platform's admission decides"""
    cluster: platform.ClusterSettings = setting(platform.ClusterSettings(), '\'{"domain": "k8s.example.net"}\'', "the Kubernetes cluster")
    monitoring: platform.MonitoringSettings = setting(platform.MonitoringSettings(), "'{\"enabled\": true}'")
    """monitors for Prometheus's operator"""

    @property
    def pod_options(self) -> PodOptions:
        """What every pod gets, as the components take it."""
        tolerations = tuple(taint.toleration for taint in self.pods.tolerations)
        pods, assign_ids = self.pods.model_dump(exclude={"tolerations"}), self.pod_security.assign_ids
        return PodOptions(pull_secrets=self.registry.pull_secrets, tolerations=tolerations, assign_ids=assign_ids, **pods)

    @property
    def milvus_bucket(self) -> str:
        """Name of Milvus's own bucket."""
        chosen = self.object_store.milvus_bucket
        return chosen if chosen is not None else default_bucket(self.namespace)

    @property
    def documents_bucket(self) -> str:
        """Name of the bucket of the originals."""
        chosen = self.object_store.documents_bucket
        return chosen if chosen is not None else f"{self.namespace}-documents"

    @property
    def model_services(self) -> dict[str, Serving | None]:
        """Model services by the name of their group."""
        return {"embedding": self.embedding, "llm": self.llm, "reranker": self.reranker}

    @model_validator(mode="after")
    def _fits_together(self) -> "Settings":
        is_pinned, makes_users = self.images_pinned == "required", isinstance(self.object_store, S3Settings)
        reasons = [
            *_buckets(self),
            *_deletion_and_access(self),
            *refusals.of_images(self.milvus, self.images, pinned=is_pinned),
            *models.problems(self.model_services, self.images, self.keda, makes_users=makes_users),
            *(Reason(each, code="settings.unused") for each in _unused(self)),
        ]
        if reasons:
            raise ConflictError(reasons)
        return self


def _buckets(given: Settings) -> Iterator[str]:
    buckets = {"milvus_bucket": given.milvus_bucket, "documents_bucket": given.documents_bucket}
    for name, bucket in buckets.items():
        try:
            require_bucket_name(bucket)
        except WrongValueError as error:
            yield Reason(f"object_store.{name} would be {bucket!r} by the namespace, which {error.wrong}", code=error.code)
    if given.milvus_bucket == given.documents_bucket:
        yield reason("bucket_of_both", bucket=given.milvus_bucket)
    copies = given.backup
    if copies is not None and copies.endpoint == given.object_store.endpoint and copies.bucket in buckets.values():
        yield reason("bucket_of_backup", bucket=copies.bucket)
    for name, service in given.model_services.items():
        if service is not None and service.weights is not None and service.weights.bucket == given.milvus_bucket:
            yield reason("bucket_of_weights", name=name, bucket=given.milvus_bucket)


def _deletion_and_access(given: Settings) -> Iterator[str]:
    confirmed = set(given.object_store.confirm_delete)
    names, what = {given.milvus_bucket, given.documents_bucket}, "both buckets with all their objects"
    if isinstance(given.object_store, ExistingSettings | CosiSettings):  # neither ever deletes a bucket
        names = {given.namespace}
        what = f"the namespace {given.namespace!r} with the volumes without which nobody can read Milvus's bucket"
    if given.object_store.deletes and confirmed != names:
        yield reason("delete_unconfirmed", what=what, confirmed=sorted(confirmed) or "none of them", names=json.dumps(sorted(names)))
    if not given.object_store.deletes and confirmed:
        yield reason("delete_confirmed")
    if given.access.tenants and not given.milvus.authentication:
        yield reason("tenants_without_login")
    if given.milvus.service.type != "ClusterIP" and not given.access.client_cidrs:
        yield reason("service_without_clients", type=given.milvus.service.type)


def _unused(given: Settings) -> Iterator[str]:
    milvus = given.milvus
    if not milvus.authentication:
        of_users = [f"milvus.{name}" for name in ("administration_uri", "root_password_generation") if name in milvus.model_fields_set]
        of_users += ["access.password_generation"] if "password_generation" in given.access.model_fields_set else []
        yield from (f"{name} would be ignored: Milvus has no users without milvus.authentication" for name in of_users)
    yield from _unused_images(given)
    if not given.pod_security.assign_ids and "user_id" in milvus.model_fields_set:
        yield "milvus.user_id would be ignored: with pod_security.assign_ids=false the platform chooses the user"
    by_queue = [each for each in given.model_services.values() if each and each.scaling and each.scaling.waiting_requests is not None]
    if given.keda is not None and not by_queue:
        yield "keda would be ignored: no model service scales by scaling.waiting_requests"
    if given.residency.allowed and given.residency.mode == "open":
        yield "residency.allowed would be ignored: with residency.mode=open every address is allowed"


def _unused_images(given: Settings) -> Iterator[str]:
    if given.images.etcd is not None and given.milvus.etcd != "bundled":
        yield f"images.etcd would be ignored: milvus.etcd is {given.milvus.etcd}, and no pod of its own runs"
    for name, service in given.model_services.items():
        if getattr(given.images, name) is not None and (service is None or not service.runs_here):
            why = f"there is no {name}" if service is None else f"{name}.engine is {service.engine}, which runs elsewhere"
            yield f"images.{name} would be ignored: {why}"
    in_suite = {
        "preflight.performance would be ignored: it runs": given.preflight.performance,
        "preflight.schedule would be ignored: it runs": given.preflight.schedule is not None,
        "gate would be ignored: it runs": given.gate is not None,
        "ask would be ignored: it runs": given.ask is not None,
        "backup would be ignored: it runs": given.backup is not None,
        "load_generators would be ignored: they run": bool(given.load_generators.model_fields_set),
    }
    if given.images.suite is None:
        yield from (f"{wrong} in images.suite, which is missing" for wrong, is_set in in_suite.items() if is_set)


def parse(configuration: Mapping[str, Any]) -> Settings:
    """Read settings from the raw configuration, in which an object may be a JSON text, as Pulumi makes it; SettingsError."""
    raw, wrong = plain(configuration)
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        faulty = {each.path for each in wrong}
        wrong += [each for each in explain(error, Settings) if each.path not in faulty]
        raise SettingsError(problems=wrong) from None
    if wrong:
        raise SettingsError(problems=wrong)
    return settings


def plain(configuration: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the settings as plain data by name, and what is wrong with their keys or with text that should be JSON."""
    raw: dict[str, Any] = {}
    wrong: list[Problem] = []
    for key, value in configuration.items():
        project, colon, name = key.partition(":")
        if project == PROJECT and colon:
            raw[name] = value
            try:
                raw[name] = parsed(value) if isinstance(value, str) and value.startswith(("{", "[")) else value
            except WrongValueError as error:
                cure, seen = set_command((name,), example_of(Settings.model_fields.get(name))), shown_as(value)
                wrong.append(Problem(code=error.code, path=(name,), value=seen, wrong=error.wrong, breaks=error.breaks, cure=cure))
        elif name not in TABLES["of_pulumi"].get(project, []):
            wrong.append(_foreign(key))
    return raw, wrong


def _foreign(key: str) -> Problem:
    """A key that neither this program nor Pulumi reads."""
    project, colon, name = key.rpartition(":")
    if project in TABLES["of_pulumi"]:
        return problem("key_of_pulumi", (key,), key=key, project=project, allowed=", ".join(sorted(TABLES["of_pulumi"][project])))
    guess = difflib.get_close_matches(name, sorted(Settings.model_fields), n=1, cutoff=0.8)
    belongs = f"belongs to the project {project!r}" if colon else "names no project"
    meant = f"{PROJECT}:{guess[0] if guess else name or 'NAME'}"
    return problem("key_foreign", (key if colon else f":{key}",), key=key, belongs=belongs, meant=meant)
