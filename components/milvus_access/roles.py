"""Roles of Milvus: the mark that something in it is ours, and who may do what in one database.

Least privilege: whoever searches cannot write; whoever ingests can neither read back nor take anything away but rows; whoever administers
can do all that in its own database, and nothing to users, roles or other databases. That is left to root.
"""

import hashlib
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Literal

from components.milvus_access.reach import AccessError

if TYPE_CHECKING:
    from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus ships no types

Kind = Literal["search", "ingest", "admin"]
_LOOK = """
    Collection.GetLoadState Collection.GetLoadingProgress Collection.GetStatistics Collection.HasPartition Collection.IndexDetail
    Collection.ShowPartitions Global.DescribeAlias Global.DescribeCollection Global.ListAliases Global.ShowCollections
""".split()  # noqa: SIM905  as words, since one a line would be longer than the rest of the file
# without Collection.Import, which nobody here uses: it reads whatever path of the bucket it is given
_READ = ["Collection.Query", "Collection.Search"]
_WRITE = """
    Collection.CreateIndex Collection.CreatePartition Collection.Delete Collection.Flush Collection.GetFlushState Collection.Insert
    Collection.Load Collection.Upsert Global.CreateCollection
""".split()  # noqa: SIM905  as above
_TAKE_AWAY = """
    Collection.Compaction Collection.DropIndex Collection.DropPartition Collection.LoadBalance Collection.Release Global.CreateAlias
    Global.DropAlias Global.DropCollection Global.RenameCollection
""".split()  # noqa: SIM905  as above
PRIVILEGES: dict[Kind, tuple[str, ...]] = {
    "search": tuple(sorted((*_LOOK, *_READ))),
    "ingest": tuple(sorted((*_LOOK, *_WRITE))),
    "admin": tuple(sorted((*_LOOK, *_READ, *_WRITE, *_TAKE_AWAY))),
}
"""As Milvus spells them since 2.3: `Object.Privilege`."""
_HASH_CHARACTERS = 12


def role_of(thing: str, owner: str) -> str:
    """Name of the role that marks `thing` as the owner's: letters, digits and underscores."""
    return f"{thing}_{hashlib.sha256(owner.encode()).hexdigest()[:_HASH_CHARACTERS]}"


def mark(milvus: "MilvusClient", thing: str, owner: str, *, exists: bool) -> str:
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


def unmark(milvus: "MilvusClient", role: str, databases: Iterable[str]) -> None:
    """Remove a role with all it holds; one that is gone is no error."""
    if role not in milvus.list_roles():
        return
    for database in databases:
        set_privileges(milvus, role, database, ())
    milvus.drop_role(role)


def granted(milvus: "MilvusClient", role: str, database: str) -> list[str]:
    """What the role may do in the database, as `Object.Privilege`; nothing for a role that is gone."""
    if role not in milvus.list_roles():
        return []
    grants = milvus.describe_role(role, db_name=database)["privileges"]
    return sorted(f"{each['object_type']}.{each['privilege']}" for each in grants if each["db_name"] in {database, "*"})


def set_privileges(milvus: "MilvusClient", role: str, database: str, privileges: Collection[str]) -> None:
    """Grant what is missing and revoke what is too much."""
    there = granted(milvus, role, database)
    for change, names in ((milvus.grant_privilege, set(privileges) - set(there)), (milvus.revoke_privilege, set(there) - set(privileges))):
        for name in sorted(names):
            kind, privilege = name.split(".")
            change(role, kind, privilege, "*", db_name=database)
