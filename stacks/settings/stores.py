"""What the settings of all drivers of the object store share: where it is, the buckets that are made, what they are like."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from components.stores import Generations
from stacks.names import BucketName, CaFile, MilvusEndpoint, YamlText
from stacks.problems import WrongValueError
from stacks.settings.group import Group

_OUR_TAGS = "milvus-x10000/"
_LONGEST_KEY = 128
_LONGEST_VALUE = 256
_MOST_TAGS = 50 - 1  # the owner's mark is one
_TAG = re.compile(r"[\w .:/=+\-@]*")
_STORE_REFUSES = "the store would refuse all of them"


def _tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > _MOST_TAGS:
        raise WrongValueError("settings.tags", f"has {len(tags)} tags", f"S3 takes 50 for a bucket, and {50 - _MOST_TAGS} are our own")
    for key, value in tags.items():
        if key.startswith(_OUR_TAGS):
            raise WrongValueError("settings.tags", f"the tag {key!r} is the mark of the stack itself")
        if key.startswith("aws:"):
            raise WrongValueError("settings.tags", f"the tag {key!r} begins with aws:, which S3 keeps to itself", _STORE_REFUSES)
        if not 0 < len(key) <= _LONGEST_KEY or len(value) > _LONGEST_VALUE:
            reason = f"the tag {key!r} is too long: a key has 1 to {_LONGEST_KEY} characters, a value at most {_LONGEST_VALUE}"
            raise WrongValueError("settings.tags", reason, _STORE_REFUSES)
        if not _TAG.fullmatch(key) or not _TAG.fullmatch(value):
            reason = f"the tag {key!r} = {value!r} has other characters than letters, digits, spaces and _.:/=+-@"
            raise WrongValueError("settings.tags", reason, _STORE_REFUSES)
    return tags


class LockSettings(Group):
    """Object lock of the documents' bucket."""

    mode: Literal["GOVERNANCE", "COMPLIANCE"] = Field(
        default="GOVERNANCE",
        description="COMPLIANCE: nobody can delete earlier, no administrator either",
        examples=["GOVERNANCE"],
    )
    days: int = Field(ge=1, le=36500, description="every version of a document is kept at least so long", examples=[30])


class StoreSettings(Group):
    """All drivers: where the store is, which key is in use, what `destroy` may take."""

    endpoint: MilvusEndpoint = Field(description="S3 API, as pods and this machine reach it", examples=["https://x10000.example.net:443"])
    region: YamlText = Field(default="us-east-1", description="region that requests are signed for", examples=["us-east-1"])
    ca_file: CaFile | None = Field(default=None, description="PEM file of the store's private CA", examples=["/etc/ssl/x10000-ca.crt"])
    credential_generation: int = Field(
        default=1, ge=1, le=1_000_000, description="raise it by one for a new key beside the old one; pods are rolled to it", examples=[2]
    )
    milvus_bucket: BucketName | None = Field(
        default=None, description="Milvus's own bucket; default NAMESPACE-milvus", examples=["rag-milvus"]
    )
    documents_bucket: BucketName | None = Field(
        default=None, description="bucket of the originals; default NAMESPACE-documents", examples=["rag-documents"]
    )
    on_destroy: Literal["retain", "delete"] = Field(
        default="retain",
        description="what `pulumi destroy` does with the namespace, its volumes, and the buckets that the stack made",
        examples=["retain"],
    )
    confirm_delete: list[str] = Field(
        default=[],
        description="what on_destroy=delete would take, by name, or it is refused: both buckets; with existing or cosi, the namespace",
        examples=['\'["rag-milvus", "rag-documents"]\''],
    )

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

    revoked_generation: int = Field(
        default=0,
        ge=0,
        description="keys up to this one are refused by the store; raise it once the new key is in use",
        examples=[1],
    )
    tags: Annotated[dict[str, str], AfterValidator(_tags)] = Field(
        default={}, description="tags of both buckets", examples=['\'{"cost-centre": "42"}\'']
    )
    documents_lock: LockSettings | None = Field(
        default=None, description="object lock of the documents' bucket", examples=['\'{"mode": "GOVERNANCE", "days": 30}\'']
    )

    @property
    def generations(self) -> Generations:
        """Which credentials are valid."""
        return Generations(current=self.credential_generation, revoked=self.revoked_generation)

    @model_validator(mode="after")
    def _two_keys_at_most(self) -> "MadeStoreSettings":
        _ = self.generations
        return self
