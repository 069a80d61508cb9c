"""Emptying a bucket that is to be deleted: this API deletes empty ones only, and no user of ours may destroy old versions.

So a user for this alone is made, and taken away again whatever happens; one that a killed run left has the same name, and goes too.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from components.greenlake import users
from components.greenlake.session import Session
from components.greenlake.system import System
from components.s3.client import client
from components.s3.emptying import empty
from components.s3.errors import StoreError, code
from components.s3.policy import Permissions, document

_EVERYTHING = Permissions(bucket_actions=("s3:*",), object_actions=("s3:*",))
_TRIES = 10
_PAUSE_S = 1.0
_NOT_YET = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


@contextmanager
def emptied(session: Session, system: System, bucket: str, owner: str) -> Iterator[Callable[[], None]]:
    """Give the call that empties the bucket; its user is gone when the block ends."""
    name = users.name_of(bucket, owner, "delete")

    def run() -> None:
        users.put_policy(session, name, document(bucket, _EVERYTHING))
        secret = users.secret_of(session, name)
        users.apply(session, name)
        _empty(system, bucket, name, secret)

    try:
        yield run
    finally:
        users.remove(session, name)


def _empty(system: System, bucket: str, access_key: str, secret_key: str) -> None:
    """A new user may take a moment to reach the S3 side."""
    for _ in range(_TRIES):
        with client(system.endpoint, system.region, system.ca_pem, access_key, secret_key) as s3:
            try:
                empty(s3, bucket)
            except ClientError as error:
                if code(error) not in _NOT_YET:
                    raise
                refused = code(error)
            else:
                return
        time.sleep(_PAUSE_S)
    raise StoreError(
        f"cannot empty the bucket {bucket!r}: {system.endpoint} refuses a user that was made for it ({refused}). Cure: check that "
        f"milvus-x10000:object_store.endpoint is the S3 API of the system {system.system_id}."
    )
