"""Listings as Milvus's garbage collection reads them: more than a page, delimiters, keys of every kind; then hundreds deleted at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from validation.checks.storage.context import STORE, StoreContext, listed
from validation.checks.storage.store import WrongError, answered, is_denied
from validation.judge.errors import text_of
from validation.run.record import Facts

PAGE = 1000  # most keys of one page, and of one batch delete, by the S3 API
_AT = 500
_WRITING_S = 25.0
_RIGHT = "s3:ListBucket on the bucket"
_TRIED = "behind listings that end at 10 keys a Milvus 2.3.5 created, loaded, searched and dropped; garbage collection was not waited for"
_NAMES = (
    "plus+plus",
    "per%cent%2Fcent",
    "a space",
    "za\u017c\u00f3\u0142\u0107/\u6587\u66f8/\u043f\u0438\u0441\u044c\u043c\u043e",
    "/".join(["long" * 50] * 4),
)


@STORE.check(after="sizes")
def listings(run: StoreContext, _facts: Facts) -> None:
    """Are listings whole: pages, delimiters, starting points and names of every kind?"""
    steps: dict[str, tuple[Callable[[StoreContext], object], str]] = {"names": (_names, "s3:PutObject"), "delimiter": (_delimiter, _RIGHT)}
    may_go_on = run.within(_WRITING_S)  # a page and one more of empty objects, or as many as the time is enough for
    with ThreadPoolExecutor(16) as pool:
        given = pool.map(lambda number: run.put(f"many/{number:04}", b"") if may_go_on() else "", range(PAGE + 1))
    keys = [key for key in given if key]
    if len(keys) == PAGE + 1:
        steps |= {
            "list_1001": (lambda run: _all(run, keys, listed(run.store, _prefix(run))), _RIGHT),
            "list_v1_1001": (lambda run: _all(run, keys, listed(run.store, _prefix(run), version=1, Marker="")), _RIGHT),
            "start_after": (lambda run: _start_after(run, keys), _RIGHT),
            "batch_delete_1000": (lambda run: _batch_delete(run, keys), "s3:DeleteObject"),
        }
    else:
        run.record.warn("list_1001", text_of("seen.too_slow", number=len(keys), of=PAGE + 1, seconds=_WRITING_S))
    good = list[str]()
    for name, (step, right) in steps.items():
        if run.attempt(name, step, right):
            good.append(name)
        elif name == "list_1001":  # what comes after rests on whole listings
            break
    if good:
        run.record.ok("listings", f"done right: {', '.join(good)}")


def _prefix(run: StoreContext) -> str:
    return f"{run.written.prefix}many/"


def _all(run: StoreContext, keys: list[str], answer: Iterator[str]) -> None:
    given = list(answer)
    if given != keys:
        missing, twice = len(set(keys) - set(given)), len(given) - len(set(given))
        order = "" if given == sorted(given) else ", and not in their order"
        seen = f"a listing of {len(keys):,} keys gives {len(given):,}: {missing} are missing, {twice} are there twice{order}"
        raise WrongError(seen, _TRIED)
    run.reporter.say(f"listed {len(given):,} keys")


def _start_after(run: StoreContext, keys: list[str]) -> None:
    page = run.store.ask(lambda s3: s3.list_objects_v2(Bucket=run.aim.bucket, Prefix=_prefix(run), StartAfter=keys[_AT], MaxKeys=5))
    given = [item.get("Key") for item in page.get("Contents", [])]
    if given != keys[_AT + 1 : _AT + 6]:
        raise WrongError(f"a listing that starts after the key {_AT:04} gives {[str(key)[-4:] for key in given]} and not the 5 after it")


def _delimiter(run: StoreContext) -> None:
    prefix = f"{run.written.prefix}tree/"
    for name in ("a/1", "a/2", "b", "c/1"):
        run.put(f"tree/{name}", b"x")
    page = run.store.ask(lambda s3: s3.list_objects_v2(Bucket=run.aim.bucket, Prefix=prefix, Delimiter="/"))
    folders = [str(item.get("Prefix")).removeprefix(prefix) for item in page.get("CommonPrefixes", [])]
    keys = [str(item.get("Key")).removeprefix(prefix) for item in page.get("Contents", [])]
    if (folders, keys) != (["a/", "c/"], ["b"]):
        raise WrongError(f"a listing of a/1, a/2, b and c/1 up to the first / gives the prefixes {folders} and the keys {keys}")


def _names(run: StoreContext) -> None:
    prefix = f"{run.written.prefix}names/"
    for name in _NAMES:
        key = run.put(f"names/{name}", name.encode())
        if run.get(key) != name.encode():
            raise WrongError(f"the key {name[:30]!r} holds another object than was written there")
    # boto3 decodes as Milvus's client does: where the answer says that names are encoded, + is a space
    given = {key.removeprefix(prefix) for key in listed(run.store, prefix)}
    if "plus+plus" not in given and "plus plus" in given:
        run.record.skip("plus", "a listing gives the key plus+plus as 'plus plus', as S3 encodes a space; Milvus writes no such keys")
        run.written.there.pop(f"{prefix}plus+plus")
        given = given - {"plus plus"} | {"plus+plus"}
    if given != set(_NAMES):
        lost = min(set(_NAMES) - given, default=min(given - set(_NAMES), default=""))
        raise WrongError(f"a listing does not give the key {lost[:30]!r} as it was written ({len(given)} keys of {len(_NAMES)})")
    # a key that is also the folder of another: Milvus writes none, so a refusal is told and no more; losing one is
    first = run.put("beside/a", b"first")
    try:
        run.put("beside/a/b", b"second")
    except ClientError as error:
        if is_denied(error):
            raise
        run.record.skip("beside", f"a key a/b beside the key a is refused ({answered(error)}); Milvus writes no such keys")
    if run.get(first) != b"first":
        raise WrongError("the object a changes when the key a/b is written")


def _batch_delete(run: StoreContext, keys: list[str]) -> None:
    objects: Any = [{"Key": key} for key in keys[:PAGE]]
    answer = run.store.ask(lambda s3: s3.delete_objects(Bucket=run.aim.bucket, Delete={"Objects": objects, "Quiet": True}))
    if errors := answer.get("Errors"):
        raise WrongError(f"a batch delete of {PAGE} leaves {len(errors)}, such as {errors[0].get('Key')}: {errors[0].get('Code')}")
    for key in keys[:PAGE]:
        run.written.there.pop(key)
    if (left := list(listed(run.store, _prefix(run)))) != keys[PAGE:]:
        raise WrongError(f"after a batch delete of {PAGE} a listing still gives {len(left)} keys and not 1")
    run.written.gone.update(keys[:PAGE])
