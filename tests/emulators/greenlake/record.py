"""What S3 and IAM have no place for: access policies as objects of their own, to whom they apply, and whether a bucket is compressed."""

import json
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Record:
    """One JSON file, changed as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()

    def read(self) -> dict[str, Any]:
        """`policies` by name, `applied` policies by user, `buckets` by name."""
        with self._lock:
            if not self._path.exists():
                return {"policies": {}, "applied": {}, "buckets": {}}
            found: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
            return found

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """Give the record to be changed, and keep it unless that fails."""
        with self._lock:
            whole = self.read()
            yield whole
            write_whole(self._path, json.dumps(whole))


def write_whole(path: Path, text: str) -> None:
    """Replace the file at once: whoever reads it meanwhile finds the old text or the new one."""
    handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(fresh).replace(path)
