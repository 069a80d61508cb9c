"""Roles: the mark that something in Milvus is ours, and what a user of it may do."""

import hashlib
from collections.abc import Collection, Iterable

from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus ships no types

from components.milvus_access.errors import AccessError

_HASH_CHARACTERS = 12


def role_of(thing: str, owner: str) -> str:
    """Name of the role that marks `thing` as the owner's: letters, digits and underscores."""
    return f"{thing}_{hashlib.sha256(owner.encode()).hexdigest()[:_HASH_CHARACTERS]}"


def mark(milvus: MilvusClient, thing: str, owner: str, *, exists: bool) -> str:
    """Make the mark before the thing itself, and return it; AccessError for a thing that is there without it."""
    role = role_of(thing, owner)
    if role in milvus.list_roles():
        return role
    if exists:
        raise AccessError(
            f"{thing.replace('_', ' ', 1)} is there already and carries no mark of ours (a role {role}): it is somebody else's and is left "
            f"alone. Cure: remove or rename it; or, if it really is yours, make the role {role} as root and run `pulumi up` again",
            code="milvus.not_ours",
        )
    milvus.create_role(role)
    return role


def unmark(milvus: MilvusClient, role: str, databases: Iterable[str]) -> None:
    """Remove a role with all it holds; one that is gone is no error."""
    if role not in milvus.list_roles():
        return
    for database in databases:
        set_privileges(milvus, role, database, ())
    milvus.drop_role(role)


def granted(milvus: MilvusClient, role: str, database: str) -> list[str]:
    """What the role may do in the database, as `Object.Privilege`; nothing for a role that is gone."""
    if role not in milvus.list_roles():
        return []
    grants = milvus.describe_role(role, db_name=database)["privileges"]
    return sorted(f"{each['object_type']}.{each['privilege']}" for each in grants if each["db_name"] in {database, "*"})


def set_privileges(milvus: MilvusClient, role: str, database: str, privileges: Collection[str]) -> None:
    """Grant what is missing and revoke what is too much."""
    there = granted(milvus, role, database)
    for change, names in ((milvus.grant_privilege, set(privileges) - set(there)), (milvus.revoke_privilege, set(there) - set(privileges))):
        for name in sorted(names):
            kind, privilege = name.split(".")
            change(role, kind, privilege, "*", db_name=database)
