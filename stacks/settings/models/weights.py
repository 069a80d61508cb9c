"""Where the weights of a model come from, and where they stay."""

import re
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import Field, model_validator

from components.engines.engine import WEIGHTS_PATH
from stacks.names import BucketName, ObjectName, OptionalSecretName, PlainText, SecretName
from stacks.settings.group import Group

_COMMIT = re.compile(r"[0-9a-f]{40}")
_NEEDED = {"image": ("path",), "volume": ("claim",), "bucket": ("bucket",), "hub": ("repository", "revision")}
_ALLOWED = {
    "image": {"path"},
    "volume": {"claim", "folder", "file"},
    "bucket": {"bucket", "prefix", "secret_name", "file"},
    "hub": {"repository", "revision", "token_secret", "offline"},
}
_COMMON = {"source", "size_gib"}


class WeightsSettings(Group):
    """Weights of a model."""

    source: Literal["image", "volume", "bucket", "hub"] = Field(description="where they are", examples=["bucket"])
    size_gib: float = Field(gt=0, le=4096, description="size of the files; how long loading may take follows from it", examples=[2.3])
    path: str | None = Field(default=None, pattern=r"^/", description="path in the image", examples=["/models/bge-m3"])
    claim: ObjectName | None = Field(default=None, description="PersistentVolumeClaim that holds them", examples=["models"])
    folder: PlainText = Field(default="", description="folder on that volume", examples=["bge-m3"])
    bucket: BucketName | None = Field(default=None, description="bucket of the object store, which is there", examples=["weights"])
    prefix: PlainText = Field(default="", description="prefix of the keys, up to and with its slash", examples=["bge-m3/"])
    secret_name: SecretName | None = Field(
        default=None, description="Secret with access_key and secret_key; default a user is made", examples=["weights"]
    )
    file: PlainText = Field(default="", description="the one file that is the model, for llama_cpp", examples=["model-q4_k_m.gguf"])
    repository: str | None = Field(
        default=None, pattern=r"^[\w.-]+/[\w.-]+$", description="repository on the hub", examples=["BAAI/bge-m3"]
    )
    revision: str | None = Field(default=None, description="commit on the hub", examples=["0123456789abcdef0123456789abcdef01234567"])
    token_secret: OptionalSecretName = Field(default="", description="Secret with the hub's token under token", examples=["hub-token"])
    offline: bool = Field(default=False, description="use only what the cache volume holds already", examples=["true"])

    @model_validator(mode="after")
    def _is_one_place(self) -> "WeightsSettings":
        missing = [name for name in _NEEDED[self.source] if getattr(self, name) is None]
        ignored = sorted(self.model_fields_set - _COMMON - _ALLOWED[self.source])
        if missing:
            raise ValueError(f"source {self.source!r} needs {' and '.join(missing)}")
        if ignored:
            raise ValueError(f"source {self.source!r} would ignore {', '.join(ignored)}; leave it out, or choose another source")
        if self.source == "hub" and not _COMMIT.fullmatch(self.revision or ""):
            raise ValueError(
                f"revision {self.revision!r} can move, and two pods would serve two models: name the commit, 40 hexadecimal digits, that "
                "the hub shows under Files"
            )
        for name in (self.folder, self.prefix, self.file):
            if ".." in PurePosixPath(name).parts or name.startswith("/"):
                raise ValueError(f"{name!r} must be a path below the volume or the bucket, without .. and without a slash in front")
        return self

    @property
    def downloads(self) -> bool:
        """Whether the engine asks a hub."""
        return self.source == "hub" and not self.offline

    @property
    def location(self) -> str:
        """What the engine is told."""
        if self.source == "hub":
            return self.repository or ""
        if self.source == "image":
            return self.path or ""
        return f"{WEIGHTS_PATH}/{self.file}" if self.file else WEIGHTS_PATH

    def facts(self) -> dict[str, Any]:
        """As an engine is told of them."""
        return {
            "source": self.source,
            "location": self.location,
            "file": self.file,
            "size_gib": self.size_gib,
            "revision": self.revision or "",
            "offline": not self.downloads,
        }


class CacheSettings(Group):
    """A volume that outlives the pod, so that a restart neither downloads nor compiles again."""

    size_gib: float = Field(gt=0, le=65536, description="size of the volume", examples=[40])
    storage_class: ObjectName | None = Field(default=None, description="StorageClass; default the cluster's", examples=["fast-nvme"])
    shared: bool = Field(default=False, description="ReadWriteMany: all pods mount it at once", examples=["true"])
