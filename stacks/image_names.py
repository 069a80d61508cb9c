"""Names of images, read as container engines read them. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

HUB = "docker.io"
_TAG = re.compile(r"(?P<name>.+?)(?::(?P<tag>\w[-.\w]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?")


@dataclass(frozen=True, kw_only=True)
class ImageName:
    """One image: where it is, and which."""

    registry: str
    """Host, with its port."""
    repository: str
    tag: str | None
    digest: str | None

    @property
    def text(self) -> str:
        """The whole name."""
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


def parse(text: str) -> ImageName:
    """Read `text`; a first part without a dot or port is no host but belongs to Docker Hub, where a single part is in `library`."""
    first, slash, rest = text.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, remainder = (first, rest) if is_host else (HUB, text)
    found = _TAG.fullmatch(remainder)
    if found is None:
        raise ValueError(f"{text!r} is no image name")
    repository = found["name"] if "/" in found["name"] or registry != HUB else f"library/{found['name']}"
    return ImageName(registry=registry, repository=repository, tag=found["tag"], digest=found["digest"])


def mirrored(image: ImageName, mirrors: Mapping[str, str]) -> ImageName:
    """Return the image as its mirror has it; unchanged where the registry has none."""
    if image.registry not in mirrors:
        return image
    host, _, path = mirrors[image.registry].partition("/")
    repository = f"{path}/{image.repository}" if path else image.repository
    return ImageName(registry=host, repository=repository, tag=image.tag, digest=image.digest)
