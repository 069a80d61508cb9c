"""One image reference, split for charts that join it again: a digest must survive that."""

import re

_IMAGE = re.compile(r"(?P<repository>[^@]*?)(?::(?P<tag>[^:/@]+))?(?:@(?P<algorithm>\w+):(?P<digest>[0-9a-f]+))?")


def split(reference: str) -> dict[str, str]:
    """`repository` and `tag` for a chart that joins them with a colon: a digest travels with the tag, or a bare one with the repository."""
    found = _IMAGE.fullmatch(reference)
    if found is None or not (found["tag"] or found["digest"]):
        raise ValueError(f"image {reference!r} has neither a tag nor a digest")
    repository, tag, algorithm, digest = found.group("repository", "tag", "algorithm", "digest")
    if not digest:
        return {"repository": repository, "tag": tag}
    whole = f"{algorithm}:{digest}"
    return {"repository": repository, "tag": f"{tag}@{whole}"} if tag else {"repository": f"{repository}@{algorithm}", "tag": digest}


def with_registry(reference: str) -> dict[str, str]:
    """For the etcd chart, which puts docker.io before every repository unless it is told the registry."""
    first, slash, rest = reference.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return {"registry": first, **split(rest)}
    return split(reference)
