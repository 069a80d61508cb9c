"""A store that is wrong in one way is red in one row, with its reason; each kind is a line of a table, before a real server.

`Changed` lets the server answer and changes what comes; `Made` answers itself. What only looks odd stays green.
"""

import itertools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.validation.suites.preflight.conftest import BUCKET, Preflight, Site, found, keys_in, red
from tests.validation.suites.preflight.faults import Change, Changed, Fault, Hasty, Made, Request, Said, between, error
from validation.checks.registry import Check
from validation.checks.storage import connection, integrity, listings, writes
from validation.checks.storage.aim import Wal
from validation.checks.storage.bucket import bucket_settings
from validation.checks.storage.connection import connections
from validation.checks.storage.context import StoreContext
from validation.checks.storage.integrity import sizes as bodies
from validation.checks.storage.listings import listings as lists
from validation.checks.storage.performance import busy, performance
from validation.checks.storage.permissions import permissions
from validation.checks.storage.writes import conditional_write, consistency, lasting
from validation.judge.errors import Outcome

pytestmark = [pytest.mark.e2e, pytest.mark.quiet]  # a busy machine would be taken for a slow store
FAIL, WARN, GREEN, UNASKED = Outcome.FAIL, Outcome.WARN, Outcome.PASS, None
MIB = 2**20
HTML = Said(200, b"<html><body>Please log in</body></html>", {"Content-Type": "text/html"})


def body(change: Callable[[bytes], bytes], at_least: int = 0) -> Change:
    """Change the body, and let its length fit."""
    return lambda _, answer: (
        replace(answer, body=change(answer.body)) if answer.status in {200, 206} and len(answer.body) >= at_least else None
    )


def header(name: str, value: str | None) -> Change:
    """Set a header, or take it away."""

    def change(_: Request, answer: Said) -> Said | None:
        rest = {key: kept for key, kept in answer.headers.items() if key.lower() != name.lower()}
        return replace(answer, headers=rest | ({name: value} if value is not None else {})) if answer.status in {200, 206} else None

    return change


def swapped(old: str, new: str) -> Change:
    """Replace a pattern in the text of an answer."""
    return body(lambda text: re.sub(old.encode(), new.encode(), text, flags=re.DOTALL))


def always(answer: Said) -> Change:
    return lambda _, __: answer


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda text: text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :]


def range_from(first: int, change: Callable[[bytes], bytes]) -> Change:
    def changed(request: Request, answer: Said) -> Said | None:
        start = re.match(r"bytes=(\d+)-", request.headers.get("range", ""))
        return replace(answer, body=change(answer.body)) if start and int(start[1]) >= first else None

    return changed


def full(after: int, answer: Said) -> Change:
    """Refuse writes once so many bytes came."""
    seen = [0]

    def change(request: Request, _: Said) -> Said | None:
        seen[0] += len(request.body)
        return answer if seen[0] > after else None

    return change


def larger(than: int, answer: Said) -> Change:
    return lambda request, _: answer if len(request.body) > than else None


def late(after_s: float, change_it: Change) -> Change:
    """Change the answers from some time after the first such request on."""
    begin: list[float] = []

    def change(request: Request, real: Said) -> Said | None:
        begin.append(time.monotonic())
        return change_it(request, real) if begin[-1] - begin[0] > after_s else None

    return change


def nth(which: Callable[[int], bool], answer: Said | Change) -> Change:
    """Answer so to some of the requests, counted from 1."""
    count = itertools.count(1)

    def change(request: Request, real: Said) -> Said | None:
        if not which(next(count)):
            return None
        return answer if isinstance(answer, Said) else answer(request, real)

    return change


def of_one_byte(change: Change) -> Change:
    """Change the answer to these alone: a large body that is refused unread may be sent again without one, so nobody can count them."""

    def small(request: Request, real: Said) -> Said | None:
        size = request.headers.get("x-amz-decoded-content-length") or request.headers.get("content-length")
        return change(request, real) if size == "1" else None

    return small


def without_metadata(request: Request, _: Said) -> Said | None:
    return None if "x-amz-meta-woodpecker-fence" in request.headers else OKAY


def slow(seconds: float) -> Change:
    def change(request: Request, _: Said) -> None:
        time.sleep(seconds if not request.query else 0)

    return change


def remembered() -> Change:
    """Give the first good answer again."""
    first: dict[str, Said] = {}
    return lambda request, answer: first.setdefault(request.path, answer) if answer.status == 200 or request.path in first else None


def cut(_: Request, answer: Said) -> Said | None:
    return replace(answer, cut=True) if answer.status in {200, 206} else None


def chunked(_: Request, answer: Said) -> Said:
    return replace(answer, chunked=True)


def upper(_: Request, answer: Said) -> Said:
    return replace(
        answer, headers={name.upper() if name.lower().startswith("x-amz-meta") else name: v for name, v in answer.headers.items()}
    )


def fine(request: Request, answer: Said) -> Said:
    """What a proxy may do: another order of headers, chunked bodies, a little later."""
    time.sleep(0.003)
    return replace(answer, headers=dict(reversed(answer.headers.items())), chunked=request.method == "GET" and bool(answer.body))


encoded = body(lambda text: text.replace(b"%", b"%25").replace(b"<EncodingType></EncodingType>", b"<EncodingType>url</EncodingType>"))
drop_2 = swapped(r"<Contents>(?:(?!<Contents>).)*/list/2<.*?</Contents>", "")
ERROR = "<?xml version='1.0'?><Error><Code>InternalError</Code><Message>made up</Message></Error>"
OKAY = Said(200, b"", {"ETag": '"d41d8cd98f00b204e9800998ecf8427e"'})
P = 5 * MIB
JOINED = b"a" * P + b"b" * P + b"c" * 10
QUOTA, DENIED = error(403, "QuotaExceeded"), error(403, "AccessDenied")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A fault, the checks that look at it, and the one row that tells it."""

    fault: Callable[[], Fault]
    asks: tuple[Check[StoreContext], ...]
    row: str
    outcome: Outcome | None = FAIL
    seen: str
    sizes: int = 2
    options: dict[str, Any] = field(default_factory=dict)


def kind(asks: Any, row: str, seen: str, fault: Callable[[], Fault], outcome: Outcome | None = FAIL, **more: Any) -> Kind:
    return Kind(fault=fault, asks=asks if isinstance(asks, tuple) else (asks,), row=row, seen=seen, outcome=outcome, **more)


def get(where: str, change: Change) -> Callable[[], Fault]:
    return lambda: Changed("GET", where, change)


class _Beside(Fault):
    """Keeps one object for a and a/b."""

    def instead(self, request: Request) -> Said | None:
        return OKAY if request.method == "PUT" and request.path.endswith("/beside/a/b") else None

    def after(self, request: Request, answer: Said) -> Said:
        return replace(answer, body=b"second") if request.method == "GET" and request.path.endswith("/beside/a") else answer


KINDS = {
    # bytes
    "a byte of 64 KiB": kind(
        bodies,
        "does_sizes",
        "a GET of 64 KiB gives other bytes than were written: the first wrong byte is number 7",
        get("/sizes/", body(flipped(7), 65536)),
    ),
    "a byte of 16 MiB": kind(
        bodies,
        "does_sizes",
        "a GET of 16 MiB gives other bytes than were written: the first wrong byte is number 9,000,000",
        get("/sizes/16777216", body(flipped(9_000_000), 16 * MIB)),
        sizes=3,
    ),
    "a byte of 64 MiB": kind(
        bodies, "does_sizes", "a GET of 64 MiB gives other bytes", get("/sizes/67108864", body(flipped(60_000_000), 64 * MIB)), sizes=4
    ),
    "an end is missing": kind(
        bodies,
        "does_sizes",
        "a GET of 64 KiB gives other bytes than were written: it ends after 60,000 of 65,536 bytes",
        get("/sizes/", body(lambda text: text[:60_000], 65536)),
    ),
    "an end is added": kind(
        bodies, "does_sizes", "it goes on after 1,048,576 bytes", get("/sizes/1048576", body(lambda text: text + b"x", MIB))
    ),
    "ranges begin elsewhere": kind(
        bodies, "does_sizes", "the range bytes=32768-65535 gives other bytes", get("/sizes/", range_from(1, lambda text: text[1:] + b"x"))
    ),
    "ranges beyond 1 MiB": kind(
        bodies,
        "does_sizes",
        "the range bytes=1048577-1081344 gives other bytes",
        get("/sizes/", range_from(MIB, lambda text: text[1:] + b"x")),
        sizes=3,
    ),
    # answers
    "HEAD without Last-Modified": kind(
        permissions, "does_head", "HEAD is answered without Last-Modified", lambda: Changed("HEAD", "/head", header("Last-Modified", None))
    ),
    "GET without Last-Modified": kind(
        permissions, "does_get", "GET is answered without Last-Modified", get("/list/0", header("Last-Modified", None))
    ),
    "an unreadable Last-Modified": kind(
        permissions,
        "does_head",
        "HEAD is answered with a Last-Modified that cannot be read (2026-11-30T00:00:00Z)",
        lambda: Changed("HEAD", "/head", header("Last-Modified", "2026-11-30T00:00:00Z")),
    ),
    "a Last-Modified of nonsense": kind(
        permissions,
        "does_head",
        "what answers HeadObject speaks no S3 (",
        lambda: Changed("HEAD", "/head", header("Last-Modified", "yesterday")),
    ),
    "HEAD without length": kind(
        permissions,
        "does_head",
        "the answer to HeadObject lacks ContentLength",
        lambda: Changed("HEAD", "/head", lambda _, answer: replace(answer, length=None)),
    ),
    "HEAD with another length": kind(
        permissions, "does_head", "HEAD tells 7 bytes", lambda: Changed("HEAD", "/head", lambda _, answer: replace(answer, length="7"))
    ),
    "PUT without ETag": kind(
        permissions, "does_head", "the answer to PutObject lacks ETag", lambda: Changed("PUT", "/head", header("ETag", None))
    ),
    "a part without ETag": kind(
        permissions, "does_multipart", "the answer to UploadPart lacks ETag", lambda: Changed("PUT", "/multipart?", header("ETag", None))
    ),
    "HEAD with another ETag": kind(
        permissions, "does_head", "PUT tells the ETag ", lambda: Changed("HEAD", "/head", header("ETag", '"other"'))
    ),
    "metadata in upper case": kind(
        permissions, "permissions", "allowed and done right: put, ", lambda: Changed("HEAD", "/head", upper), GREEN
    ),
    "an HTML page instead of an error": kind(
        permissions, "does_get", "the store does not do it: HTTP 404", get("/never-written", always(replace(HTML, status=404)))
    ),
    "an HTML page instead of a listing": kind(
        permissions, "does_list_v1", "a listing (version 1) after the first of three keys holds []", get("marker=", always(HTML))
    ),
    "complete answers 200 with an error": kind(
        permissions,
        "does_multipart",
        "CompleteMultipartUpload fails for 1 s while a listing is answered: HTTP 500 InternalError",
        lambda: Changed("POST", "/multipart?uploadId", always(Said(200, ERROR.encode()))),
    ),
    "copy answers 200 with an error": kind(
        permissions,
        "does_copy",
        "CopyObject fails for 1 s while a listing is answered: HTTP 500 InternalError",
        lambda: Changed("PUT", "/copy", always(Said(200, ERROR.encode()))),
    ),
    "a redirect": kind(
        permissions,
        "does_range",
        "the store does not do it: HTTP 307",
        get("/list/0", lambda request, _: Said(307, b"", {"Location": "http://127.0.0.1:9/"}) if "range" in request.headers else None),
    ),
    "chunked bodies": kind(
        (permissions, bodies),
        "sizes",
        "written, read whole and in ranges, and compared: 64 KiB, 1 MiB",
        lambda: Changed("GET", "/", chunked),
        GREEN,
    ),
    # refusals
    "too large": kind(
        bodies,
        "does_sizes",
        "a PUT of 1 MiB is refused: HTTP 400 EntityTooLarge",
        lambda: Made("PUT", "/sizes/", larger(MIB // 2, error(400, "EntityTooLarge"))),
    ),
    "too large, told before the body": kind(bodies, "does_sizes", "a PUT of 1 MiB is refused: HTTP 413 ", Hasty),
    "full": kind(
        bodies,
        "does_sizes",
        "a PUT of 64 MiB is refused: HTTP 507 InsufficientStorage",
        lambda: Made("PUT", "/sizes/", full(30 * MIB, error(507, "InsufficientStorage"))),
        sizes=4,
    ),
    "a quota": kind(
        bodies,
        "does_sizes",
        "a PUT of 64 MiB is refused: HTTP 403 QuotaExceeded",
        lambda: Made("PUT", "/sizes/", full(30 * MIB, QUOTA)),
        sizes=4,
    ),
    "a right that ends at a size": kind(
        bodies, "permission_sizes", "the key may not: HTTP 403 AccessDenied", lambda: Made("PUT", "/sizes/", larger(MIB // 2, DENIED))
    ),
    "full while measuring": kind(
        performance,
        "performance_errors",
        " requests failed: QuotaExceeded (",
        lambda: Made("PUT", "/load/", full(MIB, QUOTA)),
        options={"performance": True, "budget_s": 8, "budget_mib": 40},
    ),
    "wrong bytes while measuring": kind(
        performance,
        "performance_errors",
        "GET of 64 KiB gives other bytes than were written",
        get("/load/", body(flipped(3))),
        options={"performance": True, "budget_s": 8, "budget_mib": 40},
    ),
    # multipart
    "parts in the order they came": kind(
        permissions, "does_multipart", "an object of three parts, ", get("/multipart", body(lambda _: JOINED[2 * P :] + JOINED[: 2 * P]))
    ),
    "the first of a part sent twice": kind(
        permissions, "does_multipart", "an object of three parts, ", get("/multipart", body(lambda _: b"x" * P + JOINED[P:]))
    ),
    "two parts of three": kind(
        permissions, "does_multipart", "an object of three parts, ", get("/multipart", body(lambda _: JOINED[: 2 * P]))
    ),
    "an aborted upload leaves an object": kind(
        permissions,
        "does_abort",
        "an upload that was aborted left an object",
        lambda: Made("HEAD", "/abort", always(replace(OKAY, headers={"Last-Modified": "Mon, 30 Nov 2026 00:00:00 GMT"}))),
    ),
    # listings
    "a listing ends at a page": kind(
        lists,
        "does_list_1001",
        "a listing of 21 keys gives 20: 1 are missing",
        get("list-type=2", swapped(r"<Contents>(?:(?!<Contents>).)*/0020<.*?</Contents>", "")),
    ),
    "version 1 ends at a page": kind(
        lists,
        "does_list_v1_1001",
        "a listing of 21 keys gives 20: 1 are missing",
        get("marker=", swapped(r"<Contents>(?:(?!<Contents>).)*/0020<.*?</Contents>", "")),
    ),
    "a key twice": kind(
        lists,
        "does_list_1001",
        "1 are there twice",
        get("list-type=2", swapped(r"(<Contents>(?:(?!<Contents>).)*/0020<.*?</Contents>)", r"\1\1")),
    ),
    "no order": kind(
        lists,
        "does_list_1001",
        ", and not in their order",
        get(
            "list-type=2",
            swapped(
                r"(<Contents>(?:(?!<Contents>).)*/0019<.*?</Contents>)(.*?)(<Contents>(?:(?!<Contents>).)*/0020<.*?</Contents>)", r"\3\2\1"
            ),
        ),
    ),
    "no common prefixes": kind(
        lists,
        "does_delimiter",
        "gives the prefixes [] and the keys ['b']",
        get("delimiter", swapped(r"<CommonPrefixes>.*?</CommonPrefixes>", "")),
    ),
    "start-after is ignored": kind(lists, "does_start_after", "gives ['0000'", get("start-after", swapped(r"/0011<", "/0000<"))),
    "a + that is not encoded": kind(
        lists,
        "plus",
        "a listing gives the key plus+plus as 'plus plus'",
        get("list-type=2", encoded),
        UNASKED,
    ),
    "a percent sign": kind(
        lists,
        "does_names",
        "a listing does not give the key 'per%cent%2Fcent' as it was written",
        get("list-type=2", swapped("per%cent%2F", "per%cent/")),
    ),
    "a space": kind(
        lists,
        "does_names",
        "a listing does not give the key 'a space' as it was written",
        get("list-type=2", swapped("a space", "a+space")),
    ),
    "another script": kind(lists, "does_names", "the key 'zażółć/", get("/names/za", body(lambda _: b"other"))),
    "a long key": kind(
        lists,
        "does_names",
        "the store does not do it: HTTP 400 KeyTooLongError",
        lambda: Made("PUT", "/names/longlong", always(error(400, "KeyTooLongError"))),
    ),
    "a beside a/b": kind(lists, "does_names", "the object a changes when the key a/b is written", _Beside),
    "empty objects are not listed": kind(
        lists,
        "does_list_1001",
        "a listing of 21 keys gives 0: 21 are missing",
        get("list-type=2", swapped(r"<Contents>(?:(?!<Contents>).)*/many/.*?</Contents>", "")),
    ),
    "a batch delete that leaves some": kind(
        lists,
        "does_batch_delete_1000",
        "a batch delete of 20 leaves 1, such as k: InternalError",
        lambda: Changed(
            "POST",
            "?delete",
            nth(
                lambda number: number == 1,
                swapped(r"</DeleteResult>", "<Error><Key>k</Key><Code>InternalError</Code></Error></DeleteResult>"),
            ),
        ),
    ),
    "a batch delete that does nothing": kind(
        lists,
        "does_batch_delete_1000",
        "after a batch delete of 20 a listing still gives 21 keys and not 1",
        lambda: Made("POST", "?delete", nth(lambda number: number == 1, Said(200, b"<DeleteResult></DeleteResult>"))),
    ),
    # conditional writes
    "the header is ignored for a MiB": kind(
        conditional_write,
        "conditional_write",
        "ignored: a second write of 1 MiB with If-None-Match: * succeeds",
        lambda: Made("PUT", "/conditional/large", nth(lambda number: number > 1, OKAY)),
    ),
    "the header is ignored on an old key": kind(
        conditional_write,
        "conditional_write",
        "ignored: a second write on a key that is 1 s old",
        lambda: Made("PUT", "/conditional/data", late(1, of_one_byte(without_metadata))),  # no fence, which a busy machine may send late
    ),
    "the header is ignored on another connection": kind(
        conditional_write,
        "conditional_write",
        "ignored: a second write over another connection succeeds",
        lambda: Made("PUT", "/conditional/large", of_one_byte(lambda *_: OKAY)),
    ),
    "a deleted key stays taken": kind(
        conditional_write,
        "conditional_write",
        "rejected: a write on a key that was deleted is refused: HTTP 412",
        lambda: Made("PUT", "/conditional/large", of_one_byte(nth(lambda number: number > 1, error(412, "PreconditionFailed")))),
    ),
    "a refused write is done": kind(
        conditional_write,
        "conditional_write",
        "ignored: a write that is refused with 412 changes the object",
        get("/conditional/large", body(lambda _: b"2" * MIB)),
    ),
    "a fence without metadata": kind(
        conditional_write,
        "conditional_write",
        "rejected: HEAD does not give back the metadata of a fence",
        lambda: Changed("HEAD", "/conditional/fence", header("X-Amz-Meta-Woodpecker-Fence", None)),
    ),
    "a fence in upper case": kind(
        conditional_write, "conditional_write", "strict: ", lambda: Changed("HEAD", "/conditional/", upper), GREEN
    ),
    # freshness
    "HEAD from a memory": kind(
        consistency,
        "consistency",
        "stale: HEAD after overwrite 3 of 3, HEAD after delete 3 of 3",
        lambda: Changed("HEAD", "/consistency/", remembered()),
    ),
    "deleted keys return": kind(
        (permissions, lasting),
        "does_lasting",
        "/delete was deleted, and is there again",
        lambda: Changed(
            "HEAD", "/delete", nth(lambda number: number > 1, replace(OKAY, headers={"Last-Modified": "Mon, 30 Nov 2026 00:00:00 GMT"}))
        ),
    ),
    "objects vanish": kind((permissions, lasting), "does_lasting", "/list/1, written ", lambda: Made("HEAD", "/list/1", always(Said(404)))),
    "objects leave the listing": kind(
        (permissions, lasting),
        "does_lasting",
        "a listing lacks 1 of ",
        get("list-type=2", lambda request, answer: drop_2(request, answer) if re.search("prefix=[^%]*%2F(&|$)", request.query) else None),
    ),
    # connections
    "cut while idle": kind(
        connections, "connections", "a connection that is idle for 1.5 s is cut", lambda: Changed("GET", "none", cut, idle_s=0.5), WARN
    ),
    "cut in some bodies": kind(
        (consistency, connections),
        "connections",
        "the connection was cut in GetObject (",
        get("/consistency/", nth(lambda number: number % 2 == 0, cut)),
    ),
    "cut in every body": kind(bodies, "does_sizes", "GetObject fails in each try: the connection is cut (", get("/sizes/1048576", cut)),
    "a chunked body without its end": kind(
        permissions,
        "does_range",
        "GetObject fails in each try: the connection is cut (",
        get("/list/0", lambda request, answer: replace(answer, chunked=True, cut=True) if "range" in request.headers else None),
    ),
    # time
    "slow reads": kind(bodies, "read_time", "the bound is 500 ms", get("/sizes/", slow(0.6)), WARN),
    "so slow that time is up": kind(
        (consistency, conditional_write, busy),
        "time",
        "the questions take longer than the 5 s of --budget-s",
        get("/", slow(1.5)),
        Outcome.INVALID,
        options={"budget_s": 5},
    ),
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the same with fewer: a page of 20 keys, rounds of 3, shorter waits."""
    for module, name, value in (
        (listings, "PAGE", 20),
        (writes, "_ROUNDS", 3),
        (writes, "_RACES", 1),
        (writes, "_OLD_S", 1.2),
        (writes, "_LOOP_S", 100.0),
        (connection, "_IDLE_S", 1.5),
        (listings, "_AT", 10),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.mark.parametrize("name", KINDS)
def test_one_fault_is_told_in_one_row(run: Preflight, site: Site, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = KINDS[name]
    monkeypatch.setattr(integrity, "SIZES", integrity.SIZES[: chosen.sizes])
    with between(site.server, chosen.fault()) as endpoint:
        begin = time.monotonic()
        record = run(*chosen.asks, endpoint=endpoint, ca_file=None, wal=Wal.WOODPECKER, **chosen.options)
        seconds = time.monotonic() - begin
    finding = found(record, chosen.row)
    assert chosen.seen in finding.seen
    assert finding.outcome is chosen.outcome
    assert [row for row in red(record) if row not in {"tls", "performance", "answers", "log_writes"}] == [chosen.row] * (
        chosen.outcome not in {GREEN, UNASKED}
    )
    codes: dict[Outcome | None, int] = {FAIL: 1, Outcome.INVALID: 3}
    assert record.exit_code == codes.get(chosen.outcome, 0)
    assert bool(finding.cure) is (chosen.outcome not in {GREEN, UNASKED})
    assert seconds < chosen.options.get("budget_s", 30) + 120, "bounded: a store that trickles would hold it for ever"
    assert keys_in(site) == []


def test_what_a_store_keeps_after_it_said_that_it_is_deleted_is_named(run: Preflight, site: Site) -> None:
    def keep(request: Request, _: Said) -> Said | None:
        batch = Said(200, b"<DeleteResult></DeleteResult>") if "delete" in request.query else None
        return Said(204) if request.method == "DELETE" and not request.query else batch

    with between(site.server, Made("POST|DELETE", "", keep)) as endpoint:
        record = run(permissions, endpoint=endpoint, ca_file=None)
    left = keys_in(site)
    assert {"does_delete", "does_batch_delete"} <= set(red(record))
    assert sorted(record.left_behind) == sorted(f"s3://{BUCKET}/{key} (deleted, says the store)" for key in left)
    with site.admin.s3() as s3:
        s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in left]})


def test_a_proxy_that_only_reorders_chunks_and_delays_a_little_stays_green(run: Preflight, site: Site) -> None:
    with between(site.server, Changed("GET|HEAD|PUT|POST|DELETE", "", fine)) as endpoint:
        record = run(endpoint=endpoint, ca_file=None)
    assert (record.exit_code, [row for row in red(record) if row != "tls"], record.left_behind) == (0, [], [])
    assert keys_in(site) == []


ANSWERS = {
    "nothing": Said(200),
    "a page": HTML,
    "half an answer": Said(200, b"<?xml version='1.0'?><ListBucketResult><Contents><Key>x"),
    "another root": Said(200, b"<?xml version='1.0'?><Other/>"),
    "404 without a body": Said(404),
    "500 without a body": Said(500),
    "no bytes of a string": Said(200, b"\xff\xfe\x00", {"ETag": "\\xff", "Content-Length": "3"}),
}
ASKED = re.compile(r"GET .*(/list/|list-type=2&.*list%2F)|HEAD .*/head|PUT .*/(copy|multipart)|POST .*(uploads|uploadId|delete)|DELETE ")


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_answer_ends_in_an_error_of_our_own(run: Preflight, site: Site, answer: str) -> None:
    def instead(request: Request, _: Said) -> Said | None:
        return ANSWERS[answer] if ASKED.match(f"{request.method} {request.path}?{request.query}") else None

    with between(site.server, Made("GET|HEAD|PUT|POST|DELETE", "", instead)) as endpoint:
        record = run(bucket_settings, permissions, lasting, endpoint=endpoint, ca_file=None, patience_s=0.1)
    assert record.exit_code in {1, 3}, record.reason
    assert red(record)
    with site.admin.s3() as s3:
        if left := keys_in(site):
            s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in left]})
