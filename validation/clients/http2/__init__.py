"""HTTP/2 for a client that asks, again and again, the same thing with another body: gRPC's unary calls of one method.

It exists because the client must cost less than what it measures: docs/bench.md says what gRPC's own and the h2 library take. The bytes of
a request are ready but for the number of its stream; whatever answers came are taken in one read, and each one's end is told at once. It
speaks what such a client needs and no more: flow control both ways, the limit of streams, pings, a server that says goodbye. No push, no
priorities, no body that comes bit by bit. RFC 9113 and RFC 7541; numbers in brackets are the former's sections.
"""
