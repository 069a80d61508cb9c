"""E-mail: each message of a thread is a section, with sender and date. What is attached is named, not read."""

import email
import re
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import default

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.decode import decode
from validation.corpus.reading.readers import markup

_HEADERS = ("From", "To", "Cc", "Date")
_QUOTE = re.compile(r"^[> ]*>\s?")


def read_mail(body: bytes) -> Parsed:
    """Read a message, and the messages that it carries whole."""
    message = email.message_from_bytes(body, _class=EmailMessage, policy=default)
    sections = tuple(_sections(message))
    if not message.keys() or not sections:
        raise UnreadableError("is no e-mail with a text")
    attached = message.iter_attachments() if message.is_multipart() else ()
    names = [part.get_filename() or part.get_content_type() for part in attached if part.get_content_type() != "message/rfc822"]
    notes = (f"its attachment {name} was not read; put it beside the message as a file" for name in names)
    return Parsed(title=markup.one_line(str(message["Subject"] or "")), sections=sections, notes=tuple(notes))


def _sections(message: EmailMessage) -> Iterator[Section]:
    heads = tuple(f"{name}: {markup.one_line(str(message[name]))}" for name in _HEADERS if message[name])
    if paragraphs := tuple(_paragraphs(message)):
        yield Section(heading=markup.one_line(str(message["Subject"] or "")), paragraphs=heads + paragraphs)
    for part in message.iter_attachments() if message.is_multipart() else ():
        inner = part.get_content() if part.get_content_type() == "message/rfc822" else None
        if isinstance(inner, EmailMessage):
            yield from _sections(inner)


def _paragraphs(message: EmailMessage) -> Iterator[str]:
    part = message.get_body(("plain", "html"))
    if part is None:
        return
    payload = part.get_payload(decode=True)
    body = payload if isinstance(payload, bytes) else b""
    try:
        text = body.decode(part.get_content_charset() or "utf-8")
    except (LookupError, UnicodeDecodeError):
        text = decode(body)
    if part.get_content_subtype() == "html":
        yield from (line for section in markup.parse_html(text).sections for line in filter(None, (section.heading, *section.paragraphs)))
        return
    unquoted = "\n".join(_QUOTE.sub("", line) for line in text.splitlines())
    yield from (words for block in re.split(r"\n\s*\n", unquoted) if (words := markup.one_line(block)))
