"""Bytes into text: a byte order mark decides, then what the file declares, then UTF-8, UTF-16 without a mark, then chardet.

Whatever was guessed, or could not be decoded, is a note. Labels mean what browsers take them for: `iso-8859-1` is Windows-1252.
"""

import codecs
import re

import chardet

from validation.corpus.reading import UnreadableError

_MARKS = {codecs.BOM_UTF8: "utf-8-sig"}
_MARKS |= dict.fromkeys((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), "utf-32")  # before UTF-16, whose mark this one begins with
_MARKS |= dict.fromkeys((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "utf-16")
_MEANT = {"cp1252": "latin-1 ascii iso8859-1", "cp1254": "iso8859-9", "gb18030": "gb2312 gbk", "cp949": "euc_kr", "cp932": "shift_jis"}
_MEANT |= {"cp950": "big5", "cp1255": "iso8859-8 iso-8859-8-i", "cp874": "tis-620 iso8859-11"}
_LABELS = {label: encoding for encoding, labels in _MEANT.items() for label in labels.split()}
_DECLARED = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)|\A\s*<\?xml[^>]+encoding\s*=\s*["']([\w.:-]+)""", re.IGNORECASE)
_LOOKED_AT, _ASCII = 65_536, 0x7F
_MANY, _FEW = 0.3, 0.05
"""Shares of zeros among the even and the odd bytes, one as many and the other as few, that make a text in a Latin script UTF-16."""
_BAD = 0.002  # most bytes that are no UTF-8, as a share, in a text that is UTF-8 all the same
_LATIN_SHARE = 0.35  # letters beyond ASCII are fewer in every language of the Latin script
_LATIN = "cp1250 cp1254 cp1257 mac-roman cp850 iso8859-2"
_OTHERS = "cp1251 cp1253 cp1255 cp1256 koi8-r koi8-u iso8859-5 iso8859-7 cp855 cp866 mac-cyrillic cp874 cp1258"
_EASTERN = "big5hkscs cp932 cp949 euc_kr gb18030 shift_jis_2004 euc_jis_2004 hz johab"
_EASTERN_TEXT = re.compile(r"[\u3000-\u9fff\uff00-\uffef\s\x20-\x7e]*")  # UTF-16 of it has no zero but in spaces and line ends
_SURE = 0.12
_JIS = re.compile(rb"\x1b\$[@B](.*?)(?=\x1b|\Z)", re.DOTALL)
_KANA = re.compile(rb"\x1b\(I(.*?)(?=\x1b|\Z)", re.DOTALL)


def decode(body: bytes, declared: str = "") -> tuple[str, list[str]]:
    """Return the text with plain line ends, and notes on what may be wrong in it; UnreadableError when these bytes are no text."""
    notes = list[str]()
    encoding = next((name for mark, name in _MARKS.items() if body.startswith(mark)), "")
    try:
        marked = body.decode(encoding) if encoding else ""
    except UnicodeDecodeError as error:
        raise UnreadableError(f"is not {encoding} throughout ({error.reason} at byte {error.start:,}); save it as UTF-8") from None
    text = marked or _as_declared(body, declared) or _guessed(body, notes)
    if "\0" in text:
        raise UnreadableError("holds zero bytes, so it is no text; give it the ending of what it really is")
    return text.replace("\r\n", "\n").replace("\r", "\n"), notes


def declared_in(body: bytes) -> str:
    """Return the encoding that HTML or XML names for itself; "" where it names none."""
    declared = _DECLARED.search(body[:4_096])
    return (declared[1] or declared[2]).decode() if declared else ""


def _as_declared(body: bytes, declared: str) -> str:
    """Return the text as it is declared; "" where that cannot be, or nothing is declared."""
    label = declared.strip().lower()
    if label.startswith("iso-2022-jp"):
        return _iso2022(body)
    try:
        name = codecs.lookup(label.removeprefix("x-")).name if label else ""
        name = "utf-8" if name.startswith("utf-16") and body.isascii() else _LABELS.get(label, _LABELS.get(name, name))
        return body.decode(name) if name else ""
    except (LookupError, UnicodeDecodeError):
        return ""


def _iso2022(body: bytes) -> str:
    """Return Japanese of seven bits, with the special characters of NEC that Python's own codec refuses; "" where it is none."""
    try:
        eastern = _JIS.sub(lambda found: bytes(byte | 0x80 for byte in found[1]), body)
        kana = _KANA.sub(lambda found: b"".join(bytes([0x8E, byte | 0x80]) for byte in found[1]), eastern)
        text = re.sub(rb"\x1b\([BJH]", b"", kana).decode("euc_jis_2004")
    except UnicodeDecodeError:
        return ""
    return "" if "\x1b" in text else text


def _guessed(body: bytes, notes: list[str]) -> str:
    head = body[:_LOOKED_AT]
    if b"\x1b$" in head and body.isascii() and (japanese := _iso2022(body)):
        notes.append("was read as ISO-2022-JP, by its escape sequences")
        return japanese
    try:
        even, odd = (head[first::2].count(0) / max(len(head[first::2]), 1) for first in (0, 1))
        names = ("utf-16-le", "utf-16-be") if 0 < even + odd < _MANY and len(head) % 2 == 0 else ()
        encoding = next((name for name in names if _EASTERN_TEXT.fullmatch(head.decode(name, "replace"))), "utf-8")
        if max(even, odd) >= _MANY and min(even, odd) <= _FEW:
            encoding = "utf-16-le" if odd > even else "utf-16-be"
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        text = body.decode("utf-8", "replace")
        bad = text.count("\ufffd")
        if bad <= max(len(body) * _BAD, 1) and any(ord(letter) > _ASCII and letter != "\ufffd" for letter in text):
            notes.append(f"holds {bad:,} bytes that are no UTF-8, the first at byte {error.start:,}; U+FFFD stands for them; save it anew")
            return text
    encoding = _likely(head)
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError:
        text = body.decode(encoding, "replace")
        if text.count("\ufffd") > len(text) * _BAD * 10:
            raise UnreadableError("is text in no encoding that could be told apart; save it as UTF-8") from None
    notes.append(f"names no encoding and was read as {encoding}, by its letters; if that is wrong, save it as UTF-8")
    return text


def _likely(head: bytes) -> str:
    """Return what the bytes are most likely in; Windows-1252 where nothing speaks for another one."""
    letters = sum(byte > _ASCII or chr(byte).isalpha() for byte in head)
    latin = sum(byte > _ASCII for byte in head) <= letters * _LATIN_SHARE
    for names, sure in ((_EASTERN, _SURE), (_LATIN, _SURE) if latin else (_OTHERS, 0)):
        guess = chardet.detect(head, include_encodings=(*names.split(), "cp1252"))
        encoding = codecs.lookup(guess["encoding"] or "cp1252").name
        if encoding != "cp1252" and guess["confidence"] >= sure:
            return _LABELS.get(encoding, encoding)
    return "cp1252"
