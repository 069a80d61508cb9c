"""Typed settings: every one, its default, its reason, an example; one file a group. The only reader of the stack's configuration.

Refuses an unknown key, since a typing error would be silence; and a key or a password anywhere, since there is no field for one.
Everything is checked before anything is created.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

import pulumi
from pydantic import Field, ValidationError, model_validator

from components.pod_options import PodOptions
from stacks import problems
from stacks.names import Namespace, require_bucket_name
from stacks.settings.access import AccessSettings
from stacks.settings.group import Group
from stacks.settings.images import ImageSettings
from stacks.settings.load_generators import LoadGeneratorSettings
from stacks.settings.milvus import MilvusSettings
from stacks.settings.milvus import images as milvus_images
from stacks.settings.models import needs
from stacks.settings.models.embedding import EmbeddingSettings, RerankerSettings
from stacks.settings.models.llm import LlmSettings
from stacks.settings.models.needs import KedaSettings
from stacks.settings.object_store import CosiSettings, ExistingSettings, ObjectStoreSettings, S3Settings
from stacks.settings.platform import ClusterSettings, MonitoringSettings, PodSecuritySettings, PodSettings
from stacks.settings.preflight import PreflightSettings
from stacks.settings.registry import RegistrySettings
from stacks.settings.residency import ResidencySettings
from stacks.settings.tenancy import NetworkSettings, QuotaSettings

PROJECT = "milvus-x10000"


class Settings(Group):
    """One environment."""

    namespace: Namespace = Field(default="rag", description="namespace that the stack makes and owns", examples=["rag"])
    images: ImageSettings = Field(description="what runs", examples=['\'{"milvus": "..."}\''])
    images_pinned: Literal["required", "optional"] = Field(
        default="optional",
        description="whether `pulumi up` takes images by the digests of stacks/images.ENV.lock alone",
        examples=["required"],
    )
    registry: RegistrySettings = Field(
        default=RegistrySettings(), description="where images are pulled from", examples=['\'{"ca_file": "/etc/ssl/registry-ca.crt"}\'']
    )
    object_store: ObjectStoreSettings = Field(description="the S3 store", examples=['\'{"endpoint": "https://..."}\''])
    preflight: PreflightSettings = Field(
        default=PreflightSettings(), description="the look at the store from inside the cluster", examples=["'{\"performance\": true}'"]
    )
    load_generators: LoadGeneratorSettings = Field(
        default=LoadGeneratorSettings(), description="pods that send the gate's searches", examples=["'{\"pods\": 4}'"]
    )
    milvus: MilvusSettings = Field(default=MilvusSettings(), description="the vector database", examples=["'{\"memory_gib\": 16}'"])
    access: AccessSettings = Field(
        default=AccessSettings(), description="who may log in to Milvus besides root", examples=['\'{"tenants": ["sales"]}\'']
    )
    embedding: EmbeddingSettings = Field(
        default=EmbeddingSettings(), description="the embedding service", examples=["'{\"dimension\": 512}'"]
    )
    llm: LlmSettings = Field(default=LlmSettings(), description="the LLM service", examples=["'{\"context_tokens\": 4096}'"])
    reranker: RerankerSettings | None = Field(default=None, description="the reranker; none by default", examples=['\'{"engine": "tei"}\''])
    keda: KedaSettings | None = Field(default=None, description="KEDA, where it is installed", examples=['\'{"prometheus_url": "..."}\''])
    quota: QuotaSettings | None = Field(
        default=None, description="limit of the namespace", examples=['\'{"cpu_cores": 16, "memory_gib": 64}\'']
    )
    residency: ResidencySettings = Field(
        default=ResidencySettings(), description="where data may go", examples=['\'{"mode": "locked", "allowed": ["10.0.0.0/8"]}\'']
    )
    network: NetworkSettings = Field(
        default=NetworkSettings(), description="what network policies must be told", examples=["'{\"dns_port\": 53}'"]
    )

    pods: PodSettings = Field(default=PodSettings(), description="what every pod gets", examples=['\'{"node_selector": {"pool": "rag"}}\''])
    pod_security: PodSecuritySettings = Field(
        default=PodSecuritySettings(), description="what the platform's admission decides", examples=["'{\"assign_ids\": false}'"]
    )
    cluster: ClusterSettings = Field(
        default=ClusterSettings(), description="the Kubernetes cluster", examples=['\'{"domain": "k8s.example.net"}\'']
    )
    monitoring: MonitoringSettings = Field(
        default=MonitoringSettings(), description="monitors for Prometheus's operator", examples=["'{\"enabled\": true}'"]
    )

    @property
    def pod_options(self) -> PodOptions:
        """What every pod gets, as the components take it."""
        return PodOptions(
            pull_secrets=self.registry.pull_secrets,
            node_selector=self.pods.node_selector,
            tolerations=tuple(taint.toleration for taint in self.pods.tolerations),
            priority_class=self.pods.priority_class,
            labels=self.pods.labels,
            annotations=self.pods.annotations,
            assign_ids=self.pod_security.assign_ids,
        )

    @property
    def milvus_bucket(self) -> str:
        """Name of Milvus's own bucket."""
        chosen = self.object_store.milvus_bucket
        return chosen if chosen is not None else f"{self.namespace}-milvus"

    @property
    def documents_bucket(self) -> str:
        """Name of the bucket of the originals."""
        chosen = self.object_store.documents_bucket
        return chosen if chosen is not None else f"{self.namespace}-documents"

    @model_validator(mode="after")
    def _two_buckets(self) -> "Settings":
        for bucket in (self.milvus_bucket, self.documents_bucket):
            require_bucket_name(bucket)
        if self.milvus_bucket == self.documents_bucket:
            raise ValueError(f"both buckets are {self.milvus_bucket!r}: Milvus deletes every object that it does not know, documents too")
        return self

    @model_validator(mode="after")
    def _data_is_deleted_only_when_told_twice(self) -> "Settings":
        confirmed = set(self.object_store.confirm_delete)
        names, what = self._at_stake()
        if self.object_store.deletes and confirmed != names:
            raise ValueError(
                f"object_store.on_destroy=delete would let `pulumi destroy` delete {what}, and "
                f"object_store.confirm_delete names {sorted(confirmed) or 'none of them'}. If it is meant: "
                f"pulumi config set --path {PROJECT}:object_store.confirm_delete '{json.dumps(sorted(names))}'"
            )
        if not self.object_store.deletes and confirmed:
            raise ValueError(
                "object_store.confirm_delete is there although nothing is to be deleted: the next change of on_destroy would count as "
                f"told twice. Remove it: pulumi config rm --path {PROJECT}:object_store.confirm_delete"
            )
        return self

    def _at_stake(self) -> tuple[set[str], str]:
        """What cannot be made again: names to confirm, and what goes with them."""
        if isinstance(self.object_store, ExistingSettings | CosiSettings):  # neither ever deletes a bucket
            return {self.namespace}, f"the namespace {self.namespace!r} with the volumes without which nobody can read Milvus's bucket"
        return {self.milvus_bucket, self.documents_bucket}, "both buckets with all their objects"

    @model_validator(mode="after")
    def _tenants_are_kept_apart(self) -> "Settings":
        if self.access.tenants and not self.milvus.authentication:
            raise ValueError(
                "access.tenants would be names and nothing else: a Milvus that asks nobody who they are shows everybody everything. "
                f"Cure: pulumi config set --path {PROJECT}:milvus.authentication true"
            )
        return self

    @model_validator(mode="after")
    def _somebody_may_come_in(self) -> "Settings":
        if self.milvus.service.type != "ClusterIP" and not self.access.client_cidrs:
            raise ValueError(
                f"milvus.service.type={self.milvus.service.type} without access.client_cidrs: network policies would let nobody in. "
                f"Cure: pulumi config set --path '{PROJECT}:access.client_cidrs[0]' 10.20.0.0/16"
            )
        return self

    @model_validator(mode="after")
    def _milvus_can_run(self) -> "Settings":
        if found := milvus_images.problems(self.milvus, self.images, pinned=self.images_pinned == "required"):
            raise ValueError("; ".join(found))
        return self

    @model_validator(mode="after")
    def _models_can_run(self) -> "Settings":
        services = {"embedding": self.embedding, "llm": self.llm, "reranker": self.reranker}
        if found := needs.problems(services, self.images, self.keda, makes_users=isinstance(self.object_store, S3Settings)):
            raise ValueError("; ".join(map(str, found)))
        return self


def load() -> Settings:
    """Read the settings of the stack that runs; SettingsError with every problem at once."""
    return parse(pulumi.runtime.config.CONFIG.get() or pulumi.runtime.get_config_env())


def parse(configuration: Mapping[str, Any]) -> Settings:
    """Read settings from the raw configuration, in which Pulumi has made every object a JSON text."""
    prefix = f"{PROJECT}:"
    raw = {key.removeprefix(prefix): _value(value) for key, value in configuration.items() if key.startswith(prefix)}
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        raise problems.explain(error, Settings, PROJECT) from None


def _value(text: Any) -> Any:  # noqa: ANN401  a configuration value has any type
    return json.loads(text) if isinstance(text, str) and text.startswith(("{", "[")) else text
