"""When an object of COSI is changed, when it is another one, and when nothing is to be done."""

from typing import Any

import pytest
from pulumi.output import Unknown

from components.stores.cosi import manifests
from components.stores.cosi.bucket import BucketClaimProvider
from components.stores.cosi.credential import CosiCredentialProvider
from components.stores.cosi.manifests import Mark
from components.stores.owned import OWNER_TAG

MANIFEST = manifests.bucket_claim(Mark(name="rag-milvus", namespace="rag", owner="p/s/uid"), "rag-milvus")
UNKNOWN: Any = Unknown()  # type: ignore[no-untyped-call]  # Pulumi's class has no types
OLD: dict[str, Any] = {**MANIFEST, "timeout_s": 300, "bucket": "bc1"}


def news(**metadata: Any) -> dict[str, Any]:
    """The manifest with other metadata."""
    return {**MANIFEST, "metadata": {**MANIFEST["metadata"], **metadata}, "timeout_s": 300}


@pytest.mark.parametrize(
    ("wanted", "changes", "replaces"),
    [
        pytest.param(news(), False, [], id="nothing"),
        pytest.param({**news(), "timeout_s": 600}, False, [], id="patience is no property of a claim"),
        pytest.param(news(annotations={OWNER_TAG: "another"}), True, [], id="the mark"),
        pytest.param(news(namespace=UNKNOWN, annotations={OWNER_TAG: UNKNOWN}), True, [], id="not known in a preview"),
        pytest.param(news(namespace="other"), True, ["metadata"], id="another namespace"),
        pytest.param(news(name="other"), True, ["metadata"], id="another name"),
    ],
)
def test_only_another_name_or_namespace_is_another_object(wanted: dict[str, Any], changes: bool, replaces: list[str]) -> None:
    found = BucketClaimProvider().diff("rag/rag-milvus", OLD, wanted)
    assert (found.changes, found.replaces) == (changes, replaces)


def test_a_key_that_a_refresh_did_not_find_is_asked_for_again() -> None:
    manifest = {**manifests.bucket_access(Mark(name="a", namespace="rag", owner="o"), "c", "claim"), "timeout_s": 300}
    provider = CosiCredentialProvider()
    assert not provider.diff("x", {**manifest, "access_key": "k"}, manifest).changes
    assert provider.diff("x", {**manifest, "access_key": ""}, manifest).changes
