"""A Milvus in this process: milvus-lite behind gRPC on loopback, whole until a test says what of it is broken.

It keeps, indexes and finds by itself. What its adapter does not answer and the gate asks, query nodes' segments, is answered here from
its engine: rows in its memory are growing, rows in its files are sealed.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from milvus_lite.adapter.grpc.servicer import MilvusServicer  # type: ignore[import-untyped]  # milvus-lite ships no types
from milvus_lite.db import MilvusLite  # type: ignore[import-untyped]
from milvus_lite.storage.wal import WAL  # type: ignore[import-untyped]
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2  # type: ignore[import-untyped]  # generated without types

_THREADS = 8
_WRITING = threading.Lock()


def _alone(write: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Let one write go on at a time: of two that are the first of a log, each would open its file, and one is lost unclosed."""

    def locked(log: Any, batch: Any) -> None:
        with _WRITING:
            write(log, batch)

    return locked


WAL.write_insert, WAL.write_delete = _alone(WAL.write_insert), _alone(WAL.write_delete)


class Lite(MilvusServicer):  # type: ignore[misc]  # milvus-lite ships no types
    """Milvus; its fields say how it misbehaves."""

    def __init__(self, engine: MilvusLite) -> None:
        super().__init__(engine)
        self.descriptions: dict[str, str] = {}
        """Of collections, which its engine does not keep."""
        self.heal()

    def heal(self) -> None:
        """Be whole again."""
        self.loses: Callable[[int], bool] = lambda _: False
        """Which rows no search finds."""
        self.answers_with: Callable[[int], int] = lambda row: row
        """What a search says instead of a row."""
        self.refuses_to_drop = False
        self.is_gone = False
        """Whether every call is answered as if nobody were there."""
        self.empty_searches = 0
        """How many searches find nothing, from now on."""
        self.has_flushed = False
        self.is_by_words = False
        """Set by a flush."""

    def Search(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the name that gRPC calls
        self.is_by_words = any(pair.key == "anns_field" and pair.value == "words" for pair in request.search_params)
        answer = super().Search(request, context)
        found = answer.results
        is_empty, self.empty_searches = self.empty_searches > 0, max(self.empty_searches - 1, 0)
        kept = [at for at, row in enumerate(found.ids.int_id.data) if not is_empty and not self.loses(row)]
        if len(kept) < len(found.ids.int_id.data):
            ids, scores = [found.ids.int_id.data[at] for at in kept], [found.scores[at] for at in kept]
            del found.ids.int_id.data[:], found.scores[:], found.topks[:]
            found.ids.int_id.data.extend(ids)
            found.scores.extend(scores)
            found.topks.append(len(ids))
        found.ids.int_id.data[:] = [self.answers_with(row) for row in found.ids.int_id.data]
        return answer

    def CreateCollection(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.descriptions[request.collection_name] = schema_pb2.CollectionSchema.FromString(request.schema).description
        return super().CreateCollection(request, context)

    def DescribeCollection(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        answer = super().DescribeCollection(request, context)
        answer.schema.description = self.descriptions.get(request.collection_name, "")
        return answer

    def DropCollection(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        if self.refuses_to_drop:
            return common_pb2.Status(code=65535, reason="not now")
        return super().DropCollection(request, context)

    def Flush(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        answer = super().Flush(request, context)
        self.has_flushed = True
        return answer

    def GetQuerySegmentInfo(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        engine = self._db.get_collection(request.collectionName)
        growing = engine._memtable.size()
        rows = {common_pb2.Growing: growing, common_pb2.Sealed: engine.num_entities - growing}
        infos = [milvus_pb2.QuerySegmentInfo(segmentID=state, num_rows=count, state=state) for state, count in rows.items() if count]
        return milvus_pb2.GetQuerySegmentInfoResponse(infos=infos)


class _Gone(grpc.ServerInterceptor):
    """Answers UNAVAILABLE, as a client sees a server whose process has ended, while Milvus is said to be gone."""

    def __init__(self, lite: Lite) -> None:
        self._lite = lite

    def intercept_service(self, continuation: Any, call: Any) -> Any:
        if not self._lite.is_gone:
            return continuation(call)
        return grpc.unary_unary_rpc_method_handler(lambda _request, context: context.abort(grpc.StatusCode.UNAVAILABLE, "gone"))


@contextmanager
def milvus(folder: Path, port: int = 0) -> Iterator[tuple[Lite, str]]:
    """Serve what `folder` holds, and yield the server and its address."""
    logging.getLogger("milvus_lite").setLevel(logging.CRITICAL)
    engine = MilvusLite(str(folder))
    lite = Lite(engine)
    with ThreadPoolExecutor(_THREADS) as threads:
        # pymilvus pings idle connections more often than gRPC's servers allow by default; Milvus allows it
        options = [("grpc.max_receive_message_length", -1), ("grpc.http2.max_ping_strikes", 0)]
        server = grpc.server(threads, interceptors=[_Gone(lite)], options=options)
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(lite, server)
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        try:
            yield lite, f"http://127.0.0.1:{port}"
        finally:
            server.stop(grace=1).wait()
    engine.close()
