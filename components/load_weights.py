"""Copies the weights of a model from a bucket into a volume, before the engine starts: runs in an init container, needs boto3.

What is there already with the same size and ETag is not copied again, so a restart on a kept volume takes seconds. Where the bucket has a
`SHA256SUMS` beside the weights, every file is checked against it. A file appears under its name only when it is whole. Refuses an empty
prefix, a key that leads out of the volume, and a checksum that does not fit. Exit code 0, or 1 with one line.

Variables: ENDPOINT, REGION, BUCKET, PREFIX, TARGET, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_CA_BUNDLE.
"""

import hashlib
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

SUMS = "SHA256SUMS"
_STATE = ".loaded.json"
_PIECE_BYTES = 8 << 20
_MIB = 1 << 20


class LoadError(Exception):
    """Why the engine must not be started."""


def main() -> int:
    """Copy everything below PREFIX; 1 with a reason when that cannot be done."""
    place = f"s3://{os.environ['BUCKET']}/{os.environ['PREFIX']} at {os.environ['ENDPOINT']}"
    try:
        load(place, Path(os.environ["TARGET"]))
    except (ClientError, BotoCoreError, LoadError, OSError) as error:
        print(f"weights: {place}: {error}", flush=True)
        return 1
    return 0


def load(place: str, target: Path) -> None:
    """Copy what is new or changed, check it, and say how much that was."""
    config = Config(s3={"addressing_style": "path"}, retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10)
    s3: Any = boto3.Session().client("s3", endpoint_url=os.environ["ENDPOINT"], region_name=os.environ["REGION"], config=config)
    bucket, state = os.environ["BUCKET"], dict[str, Any]()
    files = _find_files(s3, bucket, os.environ["PREFIX"])
    sums = _read_sums(s3, bucket, files)
    with suppress(FileNotFoundError, ValueError):
        state = json.loads((target / _STATE).read_text())
    begin, copied = time.monotonic(), 0
    for name, (key, size, tag) in sorted(files.items()):
        if state.get(name) == [size, tag] and (target / name).is_file() and (target / name).stat().st_size == size:
            continue
        _copy(s3, bucket, key, target / name, sums.get(name))
        copied += size
        state[name] = [size, tag]
        (target / _STATE).write_text(json.dumps(state))
    total = sum(size for _, size, _ in files.values())
    seconds = time.monotonic() - begin
    print(f"weights: {place}: {len(files)} files, {total / _MIB:.1f} MiB, {copied / _MIB:.1f} MiB copied in {seconds:.1f} s", flush=True)


def _find_files(s3: Any, bucket: str, prefix: str) -> dict[str, tuple[str, int, str]]:  # noqa: ANN401  boto3 makes its classes at run time
    """Return key, bytes and ETag of every file by its name below the prefix."""
    files = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            name = entry["Key"].removeprefix(prefix).lstrip("/")
            if ".." in PurePosixPath(name).parts:
                raise LoadError(f"the key {entry['Key']!r} leads out of the volume; remove that object")
            if name and not name.endswith("/"):
                files[name] = entry["Key"], entry["Size"], entry["ETag"]
    if not files:
        raise LoadError("holds no object, so there is nothing to serve; upload the files of the model there, or name the right prefix")
    return files


def _read_sums(s3: Any, bucket: str, files: dict[str, tuple[str, int, str]]) -> dict[str, str]:  # noqa: ANN401  as above
    """Digest by name, from SHA256SUMS as `sha256sum` writes it; nothing where there is none."""
    if SUMS not in files:
        return {}
    text = s3.get_object(Bucket=bucket, Key=files[SUMS][0])["Body"].read().decode()
    pairs = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    sums = {name.lstrip("*").removeprefix("./"): digest for digest, name in pairs}
    missing = sorted(set(sums) - set(files))
    if missing:
        raise LoadError(f"{SUMS} names {missing[0]!r}, which is not there; upload the model again")
    return sums


def _copy(s3: Any, bucket: str, key: str, path: Path, expected: str | None) -> None:  # noqa: ANN401  as above
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    digest = hashlib.sha256()
    with unfinished.open("wb") as file:
        for piece in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(_PIECE_BYTES):
            digest.update(piece)
            file.write(piece)
    if expected is not None and digest.hexdigest() != expected:
        unfinished.unlink()
        raise LoadError(f"{key!r} has the sha256 {digest.hexdigest()}, {SUMS} says {expected}; upload the model again")
    unfinished.replace(path)


if __name__ == "__main__":
    sys.exit(main())
