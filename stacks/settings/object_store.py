"""The object store: one group of settings a driver, and which of them a configuration means.

Each driver has its own fields, so a setting of another driver is refused by name rather than ignored.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Tag, ValidationInfo, field_validator, model_validator

from components.generations import Generations
from stacks.problems import refused, remove_command, text_of
from stacks.settings import names
from stacks.settings.group import Group, Trusting, setting
from stacks.settings.names import ApiUrl, BucketName, CaFile, OtherNamespace, PlainText, SecretName, YamlText

S3_EXAMPLE = (
    '\'{"endpoint": "https://x10000.example.net", "iam_endpoint": "https://x10000.example.net:444", "admin_profile": "x10000-admin"}\''
)
_OUR_TAGS = "milvus-x10000/"
_LONGEST_KEY, _LONGEST_VALUE = 128, 256
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

    mode: Literal["GOVERNANCE", "COMPLIANCE"] = setting("GOVERNANCE", "GOVERNANCE")
    """COMPLIANCE: nobody can delete earlier, no administrator either"""
    days: int = setting(..., 30, "every version of a document is kept at least so long", ge=1, le=36500)


class StoreSettings(Trusting):
    """All drivers: where the store is, which key is in use, what `destroy` may take."""

    endpoint: names.MilvusEndpoint = setting(..., "https://x10000.example.net:443", "S3 API, as pods and this machine reach it")
    region: YamlText = setting("us-east-1", "us-east-1", "region that requests are signed for")
    ca_file: CaFile | None = setting(None, "/etc/ssl/x10000-ca.crt", "PEM file of the store's private CA")
    credential_generation: int = setting(1, 2, ge=1, le=1_000_000)
    """raise it by one for a new key beside the old one; pods are rolled to it"""
    milvus_bucket: BucketName | None = setting(None, "rag-milvus", "Milvus's own bucket; default NAMESPACE-milvus")
    documents_bucket: BucketName | None = setting(None, "rag-documents", "bucket of the originals; default NAMESPACE-documents")
    on_destroy: Literal["retain", "delete"] = setting("retain", "retain")
    """what `pulumi destroy` does with the namespace, its volumes, and the buckets that the stack made"""
    confirm_delete: list[str] = setting([], '\'["rag-milvus", "rag-documents"]\'')
    """what on_destroy=delete would take, by name, or it is refused: both buckets; with existing or cosi, the namespace"""

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

    revoked_generation: int = setting(0, 1, "keys up to this one are refused by the store; raise it once the new key is in use", ge=0)
    tags: Annotated[dict[str, str], AfterValidator(_tags)] = setting({}, '\'{"cost-centre": "42"}\'', "tags of both buckets")
    documents_lock: LockSettings | None = setting(None, '\'{"mode": "GOVERNANCE", "days": 30}\'', "object lock of the documents' bucket")

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

    driver: Literal["s3"] = setting("s3", "s3", "how buckets and users are made")
    iam_endpoint: names.Endpoint = setting(..., "https://x10000.example.net:444", "AWS-compatible IAM API, for the scoped users")
    admin_profile: PlainText = setting(..., "x10000-admin", min_length=1)
    """AWS profile that may make buckets and users; its key stays on this machine"""
    encryption: Literal["AES256"] | None = setting(None, "AES256")
    """default encryption of both buckets; without it, as the store does it by itself"""


class GreenLakeSettings(MadeStoreSettings):
    """Buckets, users and policies by the HPE GreenLake Object Storage REST API of an X10000."""

    driver: Literal["greenlake"] = setting(..., "greenlake", "how buckets and users are made")
    api_endpoint: ApiUrl = setting(..., "https://us-west.api.greenlake.hpe.com", "HPE GreenLake API of the region that manages the system")
    token_url: ApiUrl = setting("https://sso.common.cloud.hpe.com/as/token.oauth2", "https://sso.common.cloud.hpe.com/as/token.oauth2")
    """where the API client gets its tokens"""
    api_ca_file: CaFile | None = setting(None, "/etc/ssl/proxy-ca.crt", "PEM file of a private CA of the API, such as a proxy's")
    system_id: str = setting(..., "8UW0002928", "serial number of the X10000", pattern=r"^[A-Za-z0-9]+$")
    client_profile: PlainText = setting("default", "default", "profile of ~/.greenlake/credentials with the API client", min_length=1)
    compression: bool | None = setting(None, "true", "compress both buckets; without it, as the system does it by itself")

    @property
    def api_ca_pem(self) -> str:
        """Text of `api_ca_file`, "" without one."""
        return names.pem_of(self.api_ca_file)


class ExistingSettings(StoreSettings):
    """Buckets and keys that are there already: nothing is made on the store, all is checked."""

    driver: Literal["existing"] = setting(..., "existing", "how buckets and users are made")
    secret_namespace: OtherNamespace = setting(..., "storage", "Kubernetes namespace in which the two Secrets are")
    milvus_secret: SecretName = setting(..., "milvus-key")
    """Secret with access_key and secret_key for Milvus's bucket; copied into the stack's namespace"""
    documents_secret: SecretName = setting(..., "documents-key", "Secret with access_key and secret_key for the documents' bucket")


class CosiSettings(MadeStoreSettings):
    """Buckets and users by COSI, and HPE's driver for it, which runs in the cluster."""

    driver: Literal["cosi"] = setting(..., "cosi", "how buckets and users are made")
    driver_name: YamlText = setting("cosi.hpe.com", "cosi.hpe.com", "name of the COSI driver", min_length=1)
    backend_secret: SecretName = setting(..., "hpe-object-backend", "the COSI driver's own Secret, which an administrator made")
    backend_namespace: OtherNamespace = setting(..., "hpe-cosi", "Kubernetes namespace of that Secret")
    compression: bool | None = setting(None, "true", "compress both buckets; without it, as the COSI driver does it by itself")
    ready_timeout_s: int = setting(300, 300, "how long COSI may take for one bucket or one key", ge=1, le=3600)

    @field_validator("milvus_bucket", "documents_bucket")
    @classmethod
    def _no_name(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is not None:
            raise ValueError(text_of("cosi_names", cure=remove_command(("object_store", info.field_name or ""))))
        return name

    @field_validator("tags")
    @classmethod
    def _plain_tags(cls, tags: dict[str, str]) -> dict[str, str]:
        for key, value in tags.items():
            if set(",=") & set(key + value) or key.strip() != key or value.strip() != value:
                raise ValueError(text_of("cosi_tag", key=key))
        return tags


def _driver(value: Any) -> str:  # noqa: ANN401  a configuration value has any type
    return str(value.get("driver", "s3") if isinstance(value, Mapping) else getattr(value, "driver", "s3"))


ObjectStoreSettings = Annotated[
    Annotated[S3Settings, Tag("s3")]
    | Annotated[GreenLakeSettings, Tag("greenlake")]
    | Annotated[CosiSettings, Tag("cosi")]
    | Annotated[ExistingSettings, Tag("existing")],
    Discriminator(_driver),
]
"""Any driver's group."""
