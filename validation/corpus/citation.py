"""From what an answer cites to the very version of the original: `s3://BUCKET/KEY?versionId=VERSION#sha256=DIGEST`. Pure.

The version says which of the stored ones is meant, the sha256 what its bytes were when they were read: together they do not depend on
anybody's good will. A citation without a version is refused, since what an unversioned bucket holds tomorrow may be another document.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from validation.judge.errors import UsageError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_FORM = "s3://BUCKET/KEY?versionId=VERSION#sha256=DIGEST"
_NO_VERSION = {"", "null"}  # S3 calls the only version of an object in an unversioned bucket `null`


@dataclass(frozen=True, kw_only=True)
class Citation:
    """One version of one original."""

    bucket: str
    key: str
    version_id: str
    sha256: str

    @property
    def is_versioned(self) -> bool:
        """Whether it names one version for good."""
        return self.version_id not in _NO_VERSION

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{quote(self.key)}?{urlencode({'versionId': self.version_id})}#sha256={self.sha256}"


def parse(text: str) -> Citation:
    """Read a citation as the report has it; UsageError says what is missing."""
    url = urlsplit(text)
    version = parse_qs(url.query).get("versionId", [""])[0]
    found = Citation(
        bucket=url.hostname or "", key=unquote(url.path).removeprefix("/"), version_id=version, sha256=url.fragment.removeprefix("sha256=")
    )
    if url.scheme != "s3" or not found.bucket or not found.key:
        raise UsageError(f"{text!r} is no citation, which looks like {_FORM}; copy one from the check `originals` of a report.json")
    if not found.is_versioned:
        raise UsageError(f"{text!r} names no version, so nobody can say which document was meant; a citation looks like {_FORM}")
    if not _SHA256.fullmatch(found.sha256):
        raise UsageError(f"{text!r} names no sha256, so nothing can be checked; a citation looks like {_FORM}")
    return found
