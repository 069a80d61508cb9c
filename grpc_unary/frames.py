"""Frames and header blocks of HTTP/2, without any state of a connection.

RFC 9113 and RFC 7541; numbers in brackets are the former's sections. The server is told to remember no headers
(SETTINGS_HEADER_TABLE_SIZE 0), and is sent none to remember, so equal blocks mean equal headers, and each is made or decoded once.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache

from hpack import Decoder, Encoder, HPACKError, NeverIndexedHeaderTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOODBYE, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9  # kinds of frames (6)
ACK = END_STREAM = 1
END_HEADERS, _PADDED, _PRIORITY = 4, 8, 32
TABLE_SIZE, PUSH, MOST_STREAMS, FIRST_WINDOW = 1, 2, 3, 4  # names of settings (6.5.2)
REFUSED, CANCEL = 7, 8  # reasons for ending a stream (7)
HEAD = struct.Struct(">HBBBI")  # length of what follows (as 16 and 8 bits), kind, flags, stream (4.1)
PAIR, NUMBER = struct.Struct(">HI"), struct.Struct(">I")
LARGEST = 16_384  # of a frame's content, in bytes, both ways: what everybody must take (4.2)
USUAL_WINDOW = 65_535
WIDE = 2**31 - 1  # the widest window, and the last number of a stream


class ProtocolError(Exception):
    """What came is no HTTP/2, or not as it was agreed."""


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    """Return one frame."""
    size = len(content)
    return HEAD.pack(size >> 8, size & 0xFF, kind, flags, stream) + content


def unpadded(flags: int, content: bytes) -> bytes:
    """Return a frame's content without padding and priority (6.1, 6.2)."""
    if not flags & (_PADDED | _PRIORITY):
        return content
    begin, end = 0, len(content)
    if flags & _PADDED:
        begin, end = 1, end - content[0]
    return content[begin + (5 if flags & _PRIORITY else 0) : end]


def block(fields: Sequence[tuple[str, str]]) -> bytes:
    """Return a header block that leaves nothing behind in the server's memory, so that it can be sent again and again."""
    made: bytes = Encoder().encode([NeverIndexedHeaderTuple(name, value) for name, value in fields])
    if len(made) > LARGEST:
        raise ValueError(f"the headers of a request take {len(made)} bytes, and {LARGEST} is what every server takes")
    return made


@lru_cache(maxsize=1_024)
def headers(made: bytes) -> dict[str, str]:
    """Return the headers of a block from a server that remembers none; ProtocolError when it is no such block."""
    try:
        return {str(name): str(value) for name, value in Decoder().decode(made)}
    except (HPACKError, UnicodeDecodeError) as error:
        raise ProtocolError(f"its headers cannot be read ({type(error).__name__}: {error})") from None
