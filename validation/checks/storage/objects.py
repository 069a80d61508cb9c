"""The objects that performance is measured with: other bytes in each, so that a store that saves equal ones only once is not flattered."""

import os
from typing import TYPE_CHECKING

from validation.checks.storage.litter import Litter
from validation.checks.storage.load import Request
from validation.checks.storage.store import Store

if TYPE_CHECKING:
    from botocore.response import StreamingBody

MIB = 2**20
_RANGE = 64 * 1024
_PAGE = 100
_CHUNK = MIB


def size_name(size: int) -> str:
    """Return 64 KiB, 1 MiB and so on."""
    return f"{size // MIB} MiB" if size >= MIB else f"{size // 1024} KiB"


class Objects:
    """So many objects of one size below one prefix."""

    def __init__(self, litter: Litter, store: Store, name: str, size: int, count: int) -> None:
        self._litter, self._store, self._size = litter, store, size
        self._prefix = f"{litter.prefix}{name}"
        self._source = os.urandom(size + count)
        self._offsets = {litter.key(f"{name}{number:04}"): number for number in range(count)}
        self.written: set[str] = set()
        """What there is to read and to delete."""

    @property
    def keys(self) -> list[str]:
        """What is to be written."""
        return list(self._offsets)

    def operations(self) -> dict[str, Request]:
        """In the order in which they make sense."""
        parts: dict[str, Request] = {"GET 64 KiB of it": self._part} if self._size > _RANGE else {}
        lists: dict[str, Request] = {f"LIST {_PAGE}": self._page} if self._size < MIB else {}
        reads: dict[str, Request] = {"PUT": self._put, "GET first": self._get, "GET again": self._get}
        return {**reads, **parts, "HEAD": self._head, **lists, "DELETE": self._delete}

    def _put(self, key: str) -> int:
        at = self._offsets[key]
        body = self._source[at : at + self._size]
        self._store.ask(lambda s3: s3.put_object(Bucket=self._store.bucket, Key=key, Body=body))
        self.written.add(key)
        return self._size

    def _get(self, key: str) -> int:
        return self._store.ask(lambda s3: _drain(s3.get_object(Bucket=self._store.bucket, Key=key)["Body"]))

    def _part(self, key: str) -> int:
        at = self._size // 2
        asked = f"bytes={at}-{at + _RANGE - 1}"
        return self._store.ask(lambda s3: _drain(s3.get_object(Bucket=self._store.bucket, Key=key, Range=asked)["Body"]))

    def _head(self, key: str) -> int:
        self._store.ask(lambda s3: s3.head_object(Bucket=self._store.bucket, Key=key))
        return 0

    def _page(self, _: str) -> int:
        self._store.ask(lambda s3: s3.list_objects_v2(Bucket=self._store.bucket, Prefix=self._prefix, MaxKeys=_PAGE))
        return 0

    def _delete(self, key: str) -> int:
        self._store.ask(lambda s3: s3.delete_object(Bucket=self._store.bucket, Key=key))
        self._litter.forget(key)
        return 0


def _drain(body: "StreamingBody") -> int:
    return sum(len(chunk) for chunk in body.iter_chunks(_CHUNK))
