"""A rotation that is killed anywhere is completed, and no second one begins before."""

import pytest

from components.stores import Generations
from stacks.commands.rotate import plan
from stacks.operations import pulumi_cli


def test_at_rest_a_rotation_begins() -> None:
    found = plan(Generations(current=1, revoked=0), {1})
    assert (found.old, found.new, found.steps) == (1, 2, ("raise", "switch", "revoke", "remove"))


@pytest.mark.parametrize(
    ("settings", "present", "steps"),
    [
        pytest.param((2, 0), {1}, ("switch", "revoke", "remove"), id="killed before the first up"),
        pytest.param((2, 0), {1, 2}, ("switch", "revoke", "remove"), id="killed in the first up, or after it"),
        pytest.param((2, 1), {1, 2}, ("remove",), id="killed before or in the second up"),
        pytest.param((2, 1), {1}, ("switch", "remove"), id="both settings by hand, no up yet"),
    ],
)
def test_a_killed_rotation_goes_on_between_the_same_generations(
    settings: tuple[int, int], present: set[int], steps: tuple[str, ...]
) -> None:
    found = plan(Generations(current=settings[0], revoked=settings[1]), present)
    assert (found.old, found.new, found.steps) == (1, 2, steps)


def test_every_kill_point_ends_in_one_rotation_and_never_without_a_valid_key() -> None:
    """Play the steps, killed after any number of them, and go on: the same end, and the old user leaves last."""
    for killed_after in range(5):
        current, revoked, present = 1, 0, {1}
        for limit in (killed_after, 99):
            if (current, revoked, present) == (2, 1, {2}):
                break
            for step in plan(Generations(current=current, revoked=revoked), present).steps[:limit]:
                if step == "raise":
                    current += 1
                elif step == "switch":
                    present = present | {current}
                elif step == "revoke":
                    revoked = current - 1
                else:
                    assert current in present, "the old user goes last"
                    present = {current}
        assert (current, revoked, present) == (2, 1, {2}), killed_after


def test_generations_are_read_from_the_names_in_the_state() -> None:
    urn = "urn:pulumi:lab::milvus-x10000::milvus-x10000:index:ObjectStore$pulumi-python:dynamic/s3:Credential::"
    found = [
        {"urn": f"{urn}{name}", "outputs": {"n": name}}
        for name in ("milvus-store-credential", "milvus-store-credential-12", "documents-store-credential-3")
    ]
    assert set(pulumi_cli.credentials(found)) == {1, 12}
