"""Who may do what in one database, as Milvus spells it since 2.3: `Object.Privilege`. Pure.

Least privilege: whoever searches cannot write; whoever ingests can neither read back nor take anything away but rows; whoever administers
can do all that in its own database, and nothing to users, roles or other databases. That is left to root.
"""

from typing import Literal

Kind = Literal["search", "ingest", "admin"]

_LOOK = (
    "Collection.GetLoadState",
    "Collection.GetLoadingProgress",
    "Collection.GetStatistics",
    "Collection.HasPartition",
    "Collection.IndexDetail",
    "Collection.ShowPartitions",
    "Global.DescribeAlias",
    "Global.DescribeCollection",
    "Global.ListAliases",
    "Global.ShowCollections",
)
_READ = ("Collection.Query", "Collection.Search")
_WRITE = (
    "Collection.CreateIndex",
    "Collection.CreatePartition",
    "Collection.Delete",
    "Collection.Flush",
    "Collection.GetFlushState",
    "Collection.Import",
    "Collection.Insert",
    "Collection.Load",
    "Collection.Upsert",
    "Global.CreateCollection",
)
_TAKE_AWAY = (
    "Collection.Compaction",
    "Collection.DropIndex",
    "Collection.DropPartition",
    "Collection.LoadBalance",
    "Collection.Release",
    "Global.CreateAlias",
    "Global.DropAlias",
    "Global.DropCollection",
    "Global.RenameCollection",
)

PRIVILEGES: dict[Kind, tuple[str, ...]] = {
    "search": tuple(sorted((*_LOOK, *_READ))),
    "ingest": tuple(sorted((*_LOOK, *_WRITE))),
    "admin": tuple(sorted((*_LOOK, *_READ, *_WRITE, *_TAKE_AWAY))),
}
