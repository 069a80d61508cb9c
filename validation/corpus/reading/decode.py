"""Bytes into text: a byte order mark decides, then UTF-8, then UTF-16 without a mark, then what charset-normalizer finds."""

import codecs

from charset_normalizer import from_bytes

from validation.corpus.reading import UnreadableError

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_LOOKED_AT = 65_536
_MANY, _FEW = 0.3, 0.05
"""Shares of zeros among the even and the odd bytes, one as many and the other as few, that make a text in a Latin script UTF-16."""
_OTHERS = ["cp1252", "iso8859_15", "cp1250", "cp932", "euc_jp", "gb18030", "big5", "cp1251", "koi8_r"]


def decode(body: bytes) -> str:
    """Return the text with plain line ends; UnreadableError when these bytes are no text."""
    encoding = next((name for mark, name in _MARKS.items() if body.startswith(mark)), None) or _unmarked(body)
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableError(f"is not {encoding} throughout ({error.reason} at byte {error.start:,}); save it as UTF-8") from None
    if "\0" in text:
        raise UnreadableError("holds zero bytes, so it is no text; give it the ending of what it really is")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _unmarked(body: bytes) -> str:
    head = body[:_LOOKED_AT]
    if b"\0" in head:
        even, odd = (head[first::2].count(0) / max(len(head[first::2]), 1) for first in (0, 1))
        if max(even, odd) >= _MANY and min(even, odd) <= _FEW:
            return "utf-16-le" if odd > even else "utf-16-be"
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        guess = from_bytes(head, cp_isolation=_OTHERS).best()
        if guess is None:
            raise UnreadableError("is text in no encoding that could be told apart; save it as UTF-8") from None
        return guess.encoding
    return "utf-8"
