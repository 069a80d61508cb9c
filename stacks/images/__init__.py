"""Images: their references, the registries and charts they come from, and the lock that holds their digests."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

HUB = "docker.io"
_TAG = re.compile(r"(?P<name>.+?)(?::(?P<tag>\w[-.\w]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?")


@dataclass(frozen=True, kw_only=True)
class ImageReference:
    """One image: where it is, and which."""

    registry: str  # host, with its port
    repository: str
    tag: str | None
    digest: str | None

    @property
    def text(self) -> str:
        """The whole reference."""
        tag, digest = f":{self.tag}" if self.tag is not None else "", f"@{self.digest}" if self.digest is not None else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


def parse(text: str) -> ImageReference:
    """Read `text`; a first part without a dot or port is no host but belongs to Docker Hub, where a single part is in `library`."""
    first, slash, rest = text.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, remainder = (first, rest) if is_host else (HUB, text)
    match = _TAG.fullmatch(remainder)
    if match is None:
        raise ValueError(f"{text!r} is no image reference")
    repository = match["name"] if "/" in match["name"] or registry != HUB else f"library/{match['name']}"
    return ImageReference(registry=registry, repository=repository, tag=match["tag"], digest=match["digest"])


def mirrored(image: ImageReference, mirrors: Mapping[str, str]) -> ImageReference:
    """Return the image as its mirror has it; unchanged where the registry has none."""
    if image.registry not in mirrors:
        return image
    host, _, path = mirrors[image.registry].partition("/")
    return replace(image, registry=host, repository=f"{path}/{image.repository}" if path else image.repository)
