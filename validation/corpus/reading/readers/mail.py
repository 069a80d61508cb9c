"""E-mail: each message of a thread is a section, with sender and date. What is attached is read as the file that it is, or named."""

import email
import re
from collections.abc import Iterator
from email.header import decode_header
from email.message import Message
from io import BytesIO
from typing import Any

import oxmsg

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.decode import declared_in, decode
from validation.corpus.reading.readers import inside
from validation.corpus.reading.readers.markup import parse_html
from validation.corpus.reading.readers.text import paragraphs_in
from validation.corpus.reading.structure import PATTERNS, Block, one_line, sections_of

_MOST_RECIPIENTS = 20
_STUB = 400  # characters of a text beside HTML, up to which it may say no more than that a program cannot show HTML
_ANSWERED = re.compile(PATTERNS["answered"])
_EVENT = re.compile(r"^(SUMMARY|LOCATION|DTSTART|DTEND|DESCRIPTION|ORGANIZER|RRULE)[^:\n]*:(.*)", re.MULTILINE)
_MBOX = re.compile(rb"^From [^\n]*\d{4}[^\n]*\n", re.MULTILINE)


def read_mail(body: bytes) -> Parsed:
    """Read a message, what it carries and what it quotes."""
    message, reader = email.message_from_bytes(body), _Mail()
    reader.read(message, 1)
    if not message.keys() or not reader.has_text:
        raise UnreadableError("is no e-mail with a text")
    return reader.parsed(_header(message, "Subject"))


def read_mbox(body: bytes) -> Parsed:
    """Read the messages of a mailbox."""
    reader, starts = _Mail(), [*_MBOX.finditer(body)]
    for start, end in zip(starts, [*(each.start() for each in starts[1:]), len(body)], strict=True):
        reader.read(email.message_from_bytes(re.sub(rb"(?m)^>(>*From )", rb"\1", body[start.end() : end])), 1)
    if not reader.has_text:
        raise UnreadableError("is no mailbox with a text")
    return reader.parsed("")


def read_msg(body: bytes) -> Parsed:
    """Read a message of Outlook."""
    message, reader = oxmsg.Message.load(BytesIO(body)), _Mail()
    subject, to = one_line(message.subject or ""), ", ".join(f"{each.name} <{each.email_address}>" for each in message.recipients)
    reader.message(subject, {"From": message.sender or "", "To": to, "Date": f"{message.sent_date or ''}"}, 1)
    if message.body or not message.html_body:
        reader.text(message.body or "")
    else:
        reader.blocks += _of_html(str(message.html_body))
    for attachment in message.attachments:
        reader.attach(attachment.file_name or "without a name", attachment.file_bytes or b"", 2)
    return reader.parsed(subject)


class _Mail:
    def __init__(self) -> None:
        self.blocks, self.notes, self.attached, self.has_text = list[Block](), list[str](), list[Section](), False

    def parsed(self, title: str) -> Parsed:
        return Parsed(title=title, sections=(*sections_of(self.blocks)[1], *self.attached), notes=tuple(self.notes))

    def read(self, message: "Message[str, str]", level: int) -> None:
        """Read a message of its own, with its heads."""
        self.message(_header(message, "Subject"), {name: _header(message, name) for name in ("From", "To", "Cc", "Date")}, level)
        self._parts(message, level)

    def message(self, subject: str, heads: dict[str, str], level: int) -> None:
        self.blocks += [Block(subject, level=level)] * bool(subject)
        for name, value in heads.items():
            people = re.split(r"(?<=>), |(?<=\w), (?=[^,]*@)", value) if name in {"To", "Cc"} else [value]
            if len(people) > _MOST_RECIPIENTS:
                self.notes.append(f"{name} names {len(people):,} recipients, the first {_MOST_RECIPIENTS} of them were read")
            self.blocks += [Block(f"{name}: {', '.join(people[:_MOST_RECIPIENTS])}")] * bool(value)

    def text(self, text: str) -> None:
        """Take a text; each message that it quotes is a section below, behind what says who wrote it."""
        lines = (f"\n{line}\n" if _ANSWERED.match(line) else re.sub(r"^[> ]+$", "", line) for line in text.split("\n"))
        for part in re.split(r"\n\s*\n", "\n".join(lines)):
            for line in [part] if not (first := part.split("\n", 1)) or not _ANSWERED.match(first[0]) else first:
                if _ANSWERED.match(line):
                    self.blocks.append(Block(one_line(line.lstrip("> ")), level=2 + line.split("O")[0].count(">")))
                else:
                    self.blocks += map(Block, paragraphs_in(line))
        self.has_text = self.has_text or bool(text.strip())

    def attach(self, name: str, body: bytes, level: int) -> None:
        try:
            parsed = inside.read_inside(name, body, tuple(block.text for block in self.blocks if block.level)[:1] if level > 1 else ())
        except UnreadableError as error:
            self.notes.append(f"its attachment {name} was not read, for it {error}")
            return
        self.attached += parsed.sections
        self.notes += [f"its attachment {name}: {note}" for note in parsed.notes]

    def _parts(self, message: "Message[str, str]", level: int) -> None:
        kind = message.get_content_type()
        if kind == "multipart/alternative":
            self._best_of(message, level)
        elif kind == "message/rfc822":
            for inner in _inner(message):
                self.read(inner, level)
        elif message.is_multipart():
            for inner in _inner(message):
                self._parts(inner, level)
        elif message.get_content_disposition() == "attachment" or kind not in {"text/plain", "text/html", "text/calendar"}:
            payload, named = message.get_payload(decode=True), message.get_filename()
            name = _unfolded(named) if named else kind
            if kind.startswith("image/") and message.get("Content-ID"):
                self.notes.append(f"its picture {name} was not read")
            else:
                self.attach(name, payload if isinstance(payload, bytes) else b"", level + 1)
        else:
            self._text(message, kind)

    def _best_of(self, message: "Message[str, str]", level: int) -> None:
        """Read the plain one of several forms of one text, unless it says much less than another."""
        forms = {part.get_content_type(): part for part in reversed([*_inner(message)]) if not part.is_multipart()}
        plain, rich = forms.get("text/plain"), forms.get("text/html")
        words = "".join(block.text for block in _of_html(_content(rich, []))) if rich is not None else ""
        text = _content(plain, []).strip() if plain is not None else ""
        is_short = len(text) <= _STUB and len(text) * 2 < len(words)
        is_stub = not text or is_short or (len(text) < _STUB and bool(re.search(r"\bHTML\b", text)))
        keep = rich if plain is None or (rich is not None and is_stub) else plain
        for part in _inner(message):
            if part is keep or part.is_multipart() or part.get_content_type() not in {"text/plain", "text/html"}:
                self._parts(part, level)

    def _text(self, message: "Message[str, str]", kind: str) -> None:
        text = _content(message, self.notes)
        if kind == "text/html":
            blocks = _of_html(text)
            self.blocks += blocks
            self.has_text = self.has_text or bool(blocks)
        elif kind == "text/calendar":
            unfolded = re.sub(r"\n[ \t]", "", text)
            events = [f"{name}: {value}".replace("\\n", " ").replace("\\,", ",") for name, value in _EVENT.findall(unfolded)]
            self.blocks += [Block(one_line(event)) for event in events]
            self.has_text = self.has_text or bool(events)
        else:
            self.text(text)


def _of_html(text: str) -> list[Block]:
    return [Block(words) for section in parse_html(text).sections for words in dict.fromkeys((*section.path[-1:], *section.paragraphs))]


def _inner(message: "Message[str, str]") -> Iterator["Message[str, str]"]:
    payload: Any = message.get_payload()
    yield from payload if isinstance(payload, list) else ()


def _content(message: "Message[str, str]", notes: list[str]) -> str:
    payload = message.get_payload(decode=True)
    body = payload if isinstance(payload, bytes) else b""
    declared = message.get_content_charset() or (declared_in(body) if message.get_content_subtype() == "html" else "")
    text, more = decode(body, declared) if body.strip() else ("", [])
    notes += more
    return text


def _header(message: "Message[str, str]", name: str) -> str:
    """Return a header; one of raw bytes is decoded as a text is, which mail programs do not all forbid."""
    raw = next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")
    try:
        raw.encode()
    except UnicodeEncodeError:
        return one_line(decode(raw.encode("ascii", "surrogateescape"))[0])
    return _unfolded(raw) if "=?" in raw else one_line(raw)


def _unfolded(text: str) -> str:

    parts = decode_header(text)
    return one_line("".join(part if isinstance(part, str) else decode(part, charset or "")[0] if part else "" for part, charset in parts))
