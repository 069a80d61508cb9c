"""gRPC's unary calls of one method, for a client that asks the same thing again and again with another body.

It exists because a load generator must cost less than what it measures: docs/bench.md says what gRPC's own client, libcurl and the h2
library take. The bytes of a request are ready but for the number of its stream; whatever answers came are taken in one read. It speaks what
such a client needs and no more: no push, no priorities, no body that comes bit by bit. It knows no server, and nothing else of the product.
"""

from grpc_unary.call import CallError, Done, framed
from grpc_unary.client import UnaryCalls

__all__ = ["CallError", "Done", "UnaryCalls", "framed"]
