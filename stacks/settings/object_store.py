"""The object store: one group of settings a driver, and which of them a configuration means.

Each driver has its own fields, so a setting of another driver is refused by name rather than ignored.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from stacks.names import Endpoint, Namespace, YamlText
from stacks.settings.stores import MadeStoreSettings, StoreSettings


class S3Settings(MadeStoreSettings):
    """Buckets by the S3 API, users by an AWS-compatible IAM API."""

    driver: Literal["s3"] = Field(default="s3", description="how buckets and users are made", examples=["s3"])
    iam_endpoint: Endpoint = Field(description="AWS-compatible IAM API, for the scoped users", examples=["https://x10000.example.net:444"])
    admin_profile: str = Field(
        min_length=1, description="AWS profile that may make buckets and users; its key stays on this machine", examples=["x10000-admin"]
    )
    encryption: Literal["AES256"] | None = Field(
        default=None, description="default encryption of both buckets; without it, as the store does it by itself", examples=["AES256"]
    )


class ExistingSettings(StoreSettings):
    """Buckets and keys that are there already: nothing is made on the store, all is checked."""

    driver: Literal["existing"] = Field(description="how buckets and users are made", examples=["existing"])
    secret_namespace: Namespace = Field(description="Kubernetes namespace in which the two Secrets are", examples=["storage"])
    milvus_secret: YamlText = Field(
        description="Secret with access_key and secret_key for Milvus's bucket; copied into the stack's namespace", examples=["milvus-key"]
    )
    documents_secret: YamlText = Field(
        description="Secret with access_key and secret_key for the documents' bucket", examples=["documents-key"]
    )


def _driver(value: Any) -> str:  # noqa: ANN401  a configuration value has any type
    return str(value.get("driver", "s3")) if isinstance(value, Mapping) else str(getattr(value, "driver", "s3"))


ObjectStoreSettings = Annotated[Annotated[S3Settings, Tag("s3")] | Annotated[ExistingSettings, Tag("existing")], Discriminator(_driver)]
"""Any driver's group."""
