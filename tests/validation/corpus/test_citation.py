"""A citation names one version of one original, and nothing that could be another one tomorrow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.corpus.citation import Citation, parse
from validation.judge.errors import UsageError

SHA = "a" * 64
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\t"), min_size=1).filter(
    lambda text: text.strip() == text and not text.startswith("/")
)


@given(key=TEXT, version=TEXT.filter(lambda text: text != "null"))
def test_what_is_written_is_what_is_read(key: str, version: str) -> None:
    written = Citation(bucket="rag-documents", key=key, version_id=version, sha256=SHA)
    assert parse(str(written)) == written


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("handbook.html", "is no citation"),
        (f"https://rag-documents/a.md?versionId=1#sha256={SHA}", "is no citation"),
        (f"s3://rag-documents?versionId=1#sha256={SHA}", "is no citation"),
        (f"s3://rag-documents/a.md#sha256={SHA}", "names no version"),
        (f"s3://rag-documents/a.md?versionId=null#sha256={SHA}", "names no version"),
        ("s3://rag-documents/a.md?versionId=1", "names no sha256"),
        ("s3://rag-documents/a.md?versionId=1#sha256=abc", "names no sha256"),
    ],
)
def test_what_is_missing_is_said(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        parse(text)
