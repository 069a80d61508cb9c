"""Walks a folder without ever leaving it: names what is a document, and everything else with the reason why it is none.

Beside a document may lie `NAME.caption.md` (what a picture shows) and `NAME.access` (one word: who may read it); a file `.access` holds for
its folder and all below that say nothing else. The language is the name of the first folder, where that is a code like `de`
and no other word.
"""

import functools
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from validation.clients.passages import Parsed
from validation.corpus.reading import UnreadableError
from validation.corpus.reading.decode import decode
from validation.corpus.reading.structure import PATTERNS
from validation.judge.errors import UsageError

CAPTION, ACCESS = ".caption.md", ".access"
UNKNOWN_LANGUAGE = "und"
_FEWEST, _FEWEST_WIDE = 60, 12  # letters below which a guess is none; fewer are enough of scripts that only few languages write
_SURE = 0.6
_CODES, _DOUBTFUL = (PATTERNS["languages"][kind].split() for kind in ("known", "doubtful"))
_LABEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_MOST_SOURCE_BYTES, _MOST_SIDECAR_BYTES = 900, 65_536


@dataclass(frozen=True, kw_only=True)
class File:
    """A document that was found, not opened yet."""

    path: Path
    source: str  # path below the folder that was named, with forward slashes
    language: str
    label: str  # who may read it, as the folder says


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A file that is not read, or what of one is not, or may be wrong."""

    source: str
    reason: str
    is_duplicate: bool = False  # whether nothing is lost: what it says is found under another name
    is_note: bool = False  # whether the file is read, and this is about a part of it

    def __str__(self) -> str:
        return "".join(letter if letter.isprintable() else "?" for letter in self.source) + f" {self.reason}"


def walk(root: Path, language: str = UNKNOWN_LANGUAGE) -> Iterator[File | Refusal]:
    """Yield every file below `root` in the order of names, whether it is a document or not; `language` is that of unnamed ones."""
    top = root / "documents" if (root / "documents").is_dir() else root
    if not top.is_dir():
        raise UsageError(f"{root}: no such folder, so there is nothing to read; name the folder of the documents")
    if top != root and not (root / "questions.jsonl").exists():
        beside = sorted(entry.name for entry in os.scandir(root) if entry.name != "documents" and not entry.name.startswith("."))
        reason = f"is what is read; {len(beside)} files and folders beside it are not ({', '.join(beside[:3])}): move them into it"
        yield from [Refusal(source="documents", reason=reason, is_note=True)] if beside else []
    waiting: list[tuple[Path, str]] = [(top, "")]
    while waiting:
        folder, label = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            label = _label(folder / ACCESS) or label
        except (OSError, UnreadableError) as error:
            yield Refusal(source=_source(root, folder), reason=f"is a folder that cannot be read: {error}")
            continue
        others = {ACCESS, "questions.jsonl", *(entry.name + ending for entry in entries for ending in (CAPTION, ACCESS))}
        folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
        files = (entry for entry in entries if not entry.is_dir(follow_symlinks=False) and entry.name not in others)
        yield from (_entry(root, top, entry, label, language) for entry in files)
        hidden = (Path(entry) for entry in folders if entry.name.startswith("."))
        yield from (Refusal(source=_source(root, path), reason="is hidden, and left alone") for path in hidden)
        waiting += [(Path(entry), label) for entry in reversed(folders) if not entry.name.startswith(".")]


def _entry(root: Path, top: Path, entry: os.DirEntry[str], label: str, language: str) -> File | Refusal:
    path = Path(entry.path)
    source = _source(root, path)
    if entry.is_symlink():
        return Refusal(source=source, reason="is a link, and not followed; put the file itself here")
    if not entry.is_file(follow_symlinks=False):
        return Refusal(source=source, reason="is no file, but a pipe, socket or device")
    if entry.name.startswith("."):
        return Refusal(source=source, reason="is hidden, and left alone")
    try:
        length = len(source.encode())
    except UnicodeEncodeError:
        return Refusal(source=source.encode("utf-8", "replace").decode(), reason="has a name that is not UTF-8; rename it")
    if length > _MOST_SOURCE_BYTES:
        return Refusal(source=source, reason=f"has a path of {length} bytes, more than {_MOST_SOURCE_BYTES}; move it up")
    first, *below = PurePosixPath(_source(top, path)).parts
    return File(path=path, source=source, language=(below and language_of_folder(first)) or language, label=label)


def _source(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def caption_of(file: File) -> str:
    """Return what is said beside the file about it; "" where nothing is."""
    beside = file.path.with_name(file.path.name + CAPTION)
    return decode(bounded(beside, _MOST_SIDECAR_BYTES, f"{_MOST_SIDECAR_BYTES} bytes"))[0] if beside.exists() else ""


def access_of(file: File) -> str:
    """Return who may read the file: its own label, or that of its folder."""
    return _label(file.path.with_name(file.path.name + ACCESS)) or file.label


def _label(path: Path) -> str:
    """Refuse a label that nobody could mean: a document under a wrong one would be shown to the wrong people."""
    if not path.exists():
        return ""
    label = decode(bounded(path, _MOST_SIDECAR_BYTES, "a word"))[0].strip()
    if not _LABEL.fullmatch(label):
        raise UnreadableError(f"has in {path.name} the access label {label[:40]!r}, which is not one word of a-z, 0-9, - and _; correct it")
    return label


def bounded(path: Path, most: int, limit: str) -> bytes:
    """Return the bytes of a file; a link that took its place since is not followed."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise UnreadableError(f"cannot be opened ({error.strerror}); see who may read it: ls -l") from None
    with os.fdopen(handle, "rb") as opened:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError("is no file, but a pipe, socket or device")
        if status.st_size > most:
            raise UnreadableError(f"has {status.st_size:,} bytes, more than {limit}")
        return opened.read(most + 1)[:most]


def language_of_folder(name: str) -> str:
    """Return the language that a folder's name is the code of, as `de`, `EN` or `zh-CN`; "" where it is none, or another word as likely."""
    code, _, region = name.replace("_", "-").partition("-")
    code = code.lower()
    is_code = code in _CODES and (not region or (len(region) == 2 and region.isalpha()))  # noqa: PLR2004 - of ISO 3166
    return code if is_code and (region or code not in _DOUBTFUL) else ""


def language_of(parsed: Parsed) -> str:
    """Return the language of the text; "" where it is too short, or in doubt."""
    text = " ".join(words for section in parsed.sections[:40] for words in section.paragraphs[:40])[:4_000]
    letters = [letter for letter in text if letter.isalpha()]
    if len(letters) < (_FEWEST if sum(map(str.isascii, letters)) * 2 > len(letters) else _FEWEST_WIDE):
        return ""
    language, probability = _identifier().classify(text)
    return str(language) if probability >= _SURE and language in _CODES else ""


@functools.cache
def _identifier() -> Any:  # noqa: ANN401 - py3langid has no types
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]  # noqa: PLC0415 - it is slow to load

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
