"""The object store: one group of settings a driver, and which of them a configuration means.

Each driver has its own fields, so a setting of another driver is refused by name rather than ignored.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator

from stacks.names import ApiUrl, CaFile, Endpoint, OtherNamespace, PlainText, SecretName, YamlText
from stacks.problems import remove_command
from stacks.settings.stores import MadeStoreSettings, StoreSettings

S3_EXAMPLE = (
    '\'{"endpoint": "https://x10000.example.net", "iam_endpoint": "https://x10000.example.net:444", "admin_profile": "x10000-admin"}\''
)


class S3Settings(MadeStoreSettings):
    """Buckets by the S3 API, users by an AWS-compatible IAM API."""

    driver: Literal["s3"] = Field(default="s3", description="how buckets and users are made", examples=["s3"])
    iam_endpoint: Endpoint = Field(description="AWS-compatible IAM API, for the scoped users", examples=["https://x10000.example.net:444"])
    admin_profile: PlainText = Field(
        min_length=1, description="AWS profile that may make buckets and users; its key stays on this machine", examples=["x10000-admin"]
    )
    encryption: Literal["AES256"] | None = Field(
        default=None, description="default encryption of both buckets; without it, as the store does it by itself", examples=["AES256"]
    )


class GreenLakeSettings(MadeStoreSettings):
    """Buckets, users and policies by the HPE GreenLake Object Storage REST API of an X10000."""

    driver: Literal["greenlake"] = Field(description="how buckets and users are made", examples=["greenlake"])
    api_endpoint: ApiUrl = Field(
        description="HPE GreenLake API of the region that manages the system", examples=["https://us-west.api.greenlake.hpe.com"]
    )
    token_url: ApiUrl = Field(
        default="https://sso.common.cloud.hpe.com/as/token.oauth2",
        description="where the API client gets its tokens",
        examples=["https://sso.common.cloud.hpe.com/as/token.oauth2"],
    )
    api_ca_file: CaFile | None = Field(
        default=None, description="PEM file of a private CA of the API, such as a proxy's", examples=["/etc/ssl/proxy-ca.crt"]
    )
    system_id: str = Field(pattern=r"^[A-Za-z0-9]+$", description="serial number of the X10000", examples=["8UW0002928"])
    client_profile: PlainText = Field(
        default="default", min_length=1, description="profile of ~/.greenlake/credentials with the API client", examples=["default"]
    )
    compression: bool | None = Field(
        default=None, description="compress both buckets; without it, as the system does it by itself", examples=["true"]
    )

    @property
    def api_ca_pem(self) -> str:
        """Text of `api_ca_file`, "" without one."""
        return Path(self.api_ca_file).expanduser().read_text(encoding="ascii") if self.api_ca_file is not None else ""


class ExistingSettings(StoreSettings):
    """Buckets and keys that are there already: nothing is made on the store, all is checked."""

    driver: Literal["existing"] = Field(description="how buckets and users are made", examples=["existing"])
    secret_namespace: OtherNamespace = Field(description="Kubernetes namespace in which the two Secrets are", examples=["storage"])
    milvus_secret: SecretName = Field(
        description="Secret with access_key and secret_key for Milvus's bucket; copied into the stack's namespace", examples=["milvus-key"]
    )
    documents_secret: SecretName = Field(
        description="Secret with access_key and secret_key for the documents' bucket", examples=["documents-key"]
    )


class CosiSettings(MadeStoreSettings):
    """Buckets and users by COSI, and HPE's driver for it, which runs in the cluster."""

    driver: Literal["cosi"] = Field(description="how buckets and users are made", examples=["cosi"])
    driver_name: YamlText = Field(default="cosi.hpe.com", min_length=1, description="name of the COSI driver", examples=["cosi.hpe.com"])
    backend_secret: SecretName = Field(
        description="the COSI driver's own Secret, which an administrator made", examples=["hpe-object-backend"]
    )
    backend_namespace: OtherNamespace = Field(description="Kubernetes namespace of that Secret", examples=["hpe-cosi"])
    compression: bool | None = Field(
        default=None, description="compress both buckets; without it, as the COSI driver does it by itself", examples=["true"]
    )
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
