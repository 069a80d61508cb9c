"""The object store: one group of settings a driver, and which of them a configuration means.

Each driver has its own fields, so a setting of another driver is refused by name rather than ignored.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from components.generations import Generations
from stacks.problems import remove_command
from stacks.settings.addresses import ApiUrl, Endpoint, MilvusEndpoint
from stacks.settings.group import Group
from stacks.settings.names import BucketName, CaFile, OtherNamespace, PlainText, SecretName, YamlText, refused

S3_EXAMPLE = (
    '\'{"endpoint": "https://x10000.example.net", "iam_endpoint": "https://x10000.example.net:444", "admin_profile": "x10000-admin"}\''
)
_OUR_TAGS = "milvus-x10000/"
_LONGEST_KEY = 128
_LONGEST_VALUE = 256
_MOST_TAGS = 50 - 1  # the owner's mark is one
_TAG = re.compile(r"[\w .:/=+\-@]*")


def _tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > _MOST_TAGS:
        raise refused("tags_number", number=len(tags), own=50 - _MOST_TAGS)
    for key, value in tags.items():
        if key.startswith(_OUR_TAGS):
            raise refused("tags_mark", key=key)
        if key.startswith("aws:"):
            raise refused("tags_aws", key=key)
        if not 0 < len(key) <= _LONGEST_KEY or len(value) > _LONGEST_VALUE:
            raise refused("tags_length", key=key, most_key=_LONGEST_KEY, most_value=_LONGEST_VALUE)
        if not _TAG.fullmatch(key) or not _TAG.fullmatch(value):
            raise refused("tags_characters", key=key, value=value)
    return tags


class LockSettings(Group):
    """Object lock of the documents' bucket."""

    mode: Literal["GOVERNANCE", "COMPLIANCE"] = Field(default="GOVERNANCE", examples=["GOVERNANCE"])
    """COMPLIANCE: nobody can delete earlier, no administrator either"""
    days: int = Field(ge=1, le=36500, description="every version of a document is kept at least so long", examples=[30])


class StoreSettings(Group):
    """All drivers: where the store is, which key is in use, what `destroy` may take."""

    endpoint: MilvusEndpoint = Field(description="S3 API, as pods and this machine reach it", examples=["https://x10000.example.net:443"])
    region: YamlText = Field(default="us-east-1", description="region that requests are signed for", examples=["us-east-1"])
    ca_file: CaFile | None = Field(default=None, description="PEM file of the store's private CA", examples=["/etc/ssl/x10000-ca.crt"])
    credential_generation: int = Field(default=1, ge=1, le=1_000_000, examples=[2])
    """raise it by one for a new key beside the old one; pods are rolled to it"""
    milvus_bucket: BucketName | None = Field(default=None, examples=["rag-milvus"])
    """Milvus's own bucket; default NAMESPACE-milvus"""
    documents_bucket: BucketName | None = Field(default=None, examples=["rag-documents"])
    """bucket of the originals; default NAMESPACE-documents"""
    on_destroy: Literal["retain", "delete"] = Field(default="retain", examples=["retain"])
    """what `pulumi destroy` does with the namespace, its volumes, and the buckets that the stack made"""
    confirm_delete: list[str] = Field(default=[], examples=['\'["rag-milvus", "rag-documents"]\''])
    """what on_destroy=delete would take, by name, or it is refused: both buckets; with existing or cosi, the namespace"""

    @property
    def ca_pem(self) -> str:
        """Text of `ca_file`, "" without one."""
        return Path(self.ca_file).expanduser().read_text(encoding="ascii") if self.ca_file is not None else ""

    @property
    def generations(self) -> Generations:
        """Which credentials are valid."""
        return Generations(current=self.credential_generation, revoked=self.credential_generation - 1)

    @property
    def deletes(self) -> bool:
        """Whether `destroy` is to take away what cannot be made again."""
        return self.on_destroy == "delete"


class MadeStoreSettings(StoreSettings):
    """Drivers that make buckets and users: which keys are revoked, what the buckets are like."""

    revoked_generation: int = Field(default=0, ge=0, examples=[1])
    """keys up to this one are refused by the store; raise it once the new key is in use"""
    tags: Annotated[dict[str, str], AfterValidator(_tags)] = Field(default={}, examples=['\'{"cost-centre": "42"}\''])
    """tags of both buckets"""
    documents_lock: LockSettings | None = Field(default=None, examples=['\'{"mode": "GOVERNANCE", "days": 30}\''])
    """object lock of the documents' bucket"""

    @property
    def generations(self) -> Generations:
        """Which credentials are valid."""
        return Generations(current=self.credential_generation, revoked=self.revoked_generation)

    @model_validator(mode="after")
    def _two_keys_at_most(self) -> "MadeStoreSettings":
        _ = self.generations
        return self


class S3Settings(MadeStoreSettings):
    """Buckets by the S3 API, users by an AWS-compatible IAM API."""

    driver: Literal["s3"] = Field(default="s3", description="how buckets and users are made", examples=["s3"])
    iam_endpoint: Endpoint = Field(description="AWS-compatible IAM API, for the scoped users", examples=["https://x10000.example.net:444"])
    admin_profile: PlainText = Field(min_length=1, examples=["x10000-admin"])
    """AWS profile that may make buckets and users; its key stays on this machine"""
    encryption: Literal["AES256"] | None = Field(default=None, examples=["AES256"])
    """default encryption of both buckets; without it, as the store does it by itself"""


class GreenLakeSettings(MadeStoreSettings):
    """Buckets, users and policies by the HPE GreenLake Object Storage REST API of an X10000."""

    driver: Literal["greenlake"] = Field(description="how buckets and users are made", examples=["greenlake"])
    api_endpoint: ApiUrl = Field(examples=["https://us-west.api.greenlake.hpe.com"])
    """HPE GreenLake API of the region that manages the system"""
    token_url: ApiUrl = Field(
        default="https://sso.common.cloud.hpe.com/as/token.oauth2", examples=["https://sso.common.cloud.hpe.com/as/token.oauth2"]
    )
    """where the API client gets its tokens"""
    api_ca_file: CaFile | None = Field(default=None, examples=["/etc/ssl/proxy-ca.crt"])
    """PEM file of a private CA of the API, such as a proxy's"""
    system_id: str = Field(pattern=r"^[A-Za-z0-9]+$", description="serial number of the X10000", examples=["8UW0002928"])
    client_profile: PlainText = Field(default="default", min_length=1, examples=["default"])
    """profile of ~/.greenlake/credentials with the API client"""
    compression: bool | None = Field(default=None, examples=["true"])
    """compress both buckets; without it, as the system does it by itself"""

    @property
    def api_ca_pem(self) -> str:
        """Text of `api_ca_file`, "" without one."""
        return Path(self.api_ca_file).expanduser().read_text(encoding="ascii") if self.api_ca_file is not None else ""


class ExistingSettings(StoreSettings):
    """Buckets and keys that are there already: nothing is made on the store, all is checked."""

    driver: Literal["existing"] = Field(description="how buckets and users are made", examples=["existing"])
    secret_namespace: OtherNamespace = Field(description="Kubernetes namespace in which the two Secrets are", examples=["storage"])
    milvus_secret: SecretName = Field(examples=["milvus-key"])
    """Secret with access_key and secret_key for Milvus's bucket; copied into the stack's namespace"""
    documents_secret: SecretName = Field(examples=["documents-key"])
    """Secret with access_key and secret_key for the documents' bucket"""


class CosiSettings(MadeStoreSettings):
    """Buckets and users by COSI, and HPE's driver for it, which runs in the cluster."""

    driver: Literal["cosi"] = Field(description="how buckets and users are made", examples=["cosi"])
    driver_name: YamlText = Field(default="cosi.hpe.com", min_length=1, description="name of the COSI driver", examples=["cosi.hpe.com"])
    backend_secret: SecretName = Field(examples=["hpe-object-backend"])
    """the COSI driver's own Secret, which an administrator made"""
    backend_namespace: OtherNamespace = Field(description="Kubernetes namespace of that Secret", examples=["hpe-cosi"])
    compression: bool | None = Field(default=None, examples=["true"])
    """compress both buckets; without it, as the COSI driver does it by itself"""
    ready_timeout_s: int = Field(default=300, ge=1, le=3600, description="how long COSI may take for one bucket or one key", examples=[300])

    @field_validator("milvus_bucket", "documents_bucket")
    @classmethod
    def _no_name(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is not None:
            cure = remove_command(("object_store", info.field_name or ""))
            raise ValueError(
                f"COSI names every bucket itself; the outputs milvus_bucket and documents_bucket of the stack tell. Cure: {cure}"
            )
        return name

    @field_validator("tags")
    @classmethod
    def _plain_tags(cls, tags: dict[str, str]) -> dict[str, str]:
        for key, value in tags.items():
            if set(",=") & set(key + value) or key.strip() != key or value.strip() != value:
                raise ValueError(
                    f"the tag {key!r} cannot be told to COSI, which takes all tags as one text: no comma, no =, no space at an end"
                )
        return tags


def _driver(value: Any) -> str:  # noqa: ANN401  a configuration value has any type
    return str(value.get("driver", "s3")) if isinstance(value, Mapping) else str(getattr(value, "driver", "s3"))


ObjectStoreSettings = Annotated[
    Annotated[S3Settings, Tag("s3")]
    | Annotated[GreenLakeSettings, Tag("greenlake")]
    | Annotated[CosiSettings, Tag("cosi")]
    | Annotated[ExistingSettings, Tag("existing")],
    Discriminator(_driver),
]
"""Any driver's group."""
