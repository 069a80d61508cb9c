"""The S3 store: where it is, who administers it, what is made on it."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from components.generations import Generations
from stacks.names import BucketName, CaFile, Endpoint, YamlText
from stacks.settings.group import Group


class ObjectStoreSettings(Group):
    """The S3 store: where it is, who administers it, what is made on it."""

    driver: Literal["s3"] = Field(default="s3", description="how buckets and users are made", examples=["s3"])
    endpoint: Endpoint = Field(description="S3 API, as pods and this machine reach it", examples=["https://x10000.example.net:443"])
    iam_endpoint: Endpoint = Field(description="AWS-compatible IAM API, for the scoped users", examples=["https://x10000.example.net:444"])
    region: YamlText = Field(default="us-east-1", description="region that requests are signed for", examples=["us-east-1"])
    ca_file: CaFile | None = Field(default=None, description="PEM file of the store's private CA", examples=["/etc/ssl/x10000-ca.crt"])
    admin_profile: str = Field(
        min_length=1, description="AWS profile that may make buckets and users; its key stays on this machine", examples=["x10000-admin"]
    )
    milvus_bucket: BucketName | None = Field(
        default=None, description="Milvus's own bucket; default NAMESPACE-milvus", examples=["rag-milvus"]
    )
    documents_bucket: BucketName | None = Field(
        default=None, description="bucket of the originals; default NAMESPACE-documents", examples=["rag-documents"]
    )
    on_destroy: Literal["retain", "delete"] = Field(
        default="retain", description="what `pulumi destroy` does with buckets and their objects", examples=["retain"]
    )

    credential_generation: int = Field(
        default=1, ge=1, le=1_000_000, description="raise it by one for a new key beside the old one; pods are rolled to it", examples=[2]
    )
    revoked_generation: int = Field(
        default=0,
        ge=0,
        description="keys up to this generation are refused by the store; raise it once the new key is in use",
        examples=[1],
    )

    @property
    def generations(self) -> Generations:
        """Which credentials are valid."""
        return Generations(current=self.credential_generation, revoked=self.revoked_generation)

    @model_validator(mode="after")
    def _two_keys_at_most(self) -> "ObjectStoreSettings":
        _ = self.generations
        return self

    @property
    def ca_pem(self) -> str:
        """Text of `ca_file`, "" without one."""
        return Path(self.ca_file).expanduser().read_text(encoding="ascii") if self.ca_file is not None else ""
