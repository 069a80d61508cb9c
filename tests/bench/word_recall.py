"""How many of a file's words the readers find, against readers of others: pdftotext, pandoc, Python's standard library, the raw XML.

`python -m tests.bench.word_recall DIR` prints for each kind the mean share of the other reader's words (of letters and digits, counted with
their times) that stand in chunks or notes, and each file below 0.9 with its notes. A file that one of both refuses is named, and not in the
mean. pdftotext (poppler-utils) and pandoc are taken where they are on PATH; without them PDF is skipped, and DOCX is compared with its XML.
"""

import html
import re
import shutil
import subprocess
import unicodedata
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable
from email import message_from_bytes, policy
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer
from defusedxml import ElementTree

from validation.clients.passages import Parsed
from validation.corpus.reading import Limits, UnreadableError
from validation.corpus.reading.isolation import IsolatedReader

_WORD = re.compile(r"[^\W_]+")
_LATIN_OR_ONE = re.compile(r"[a-z0-9\u00df-\u024f]+|.")
_LOW = 0.9
_FEWEST_WORDS = 10
_SECONDS = 60


def main(folder: Annotated[Path, typer.Argument(help="A folder of files; nothing of it is changed.")]) -> None:
    """Compare, and print a table for docs/corpus.md."""
    shares, low, refused, silent = defaultdict[str, list[float]](list), list[str](), list[str](), 0
    with IsolatedReader(Limits()) as reader:
        for path in sorted(each for each in folder.rglob("*") if each.is_file() and each.suffix.lower() in _OTHERS):
            expected = _words_of_others(path)
            if expected is None or expected.total() < _FEWEST_WORDS:
                silent += 1
                continue
            try:
                parsed = reader.read(path, path.suffix.lower(), "", _sha256(path))
            except UnreadableError as error:
                refused.append(f"{path.relative_to(folder)}: {error}")
                continue
            share = (expected & _words_of(parsed)).total() / expected.total()
            shares[path.suffix.lower()].append(share)
            if share < _LOW:
                low.append(
                    f"{path.relative_to(folder)}: {share:.2f} of {expected.total():,} words; notes: {'; '.join(parsed.notes) or 'none'}"
                )
    print(f"| kind | files compared | mean share of words | below {_LOW} |\n|---|---|---|---|")
    for kind, values in sorted(shares.items()):
        print(f"| {kind} | {len(values)} | {fmean(values):.3f} | {sum(value < _LOW for value in values)} |")
    print(f"\nnot compared, since the other reader has fewer than {_FEWEST_WORDS} words, or is not here: {silent}")
    print(*(f"refused: {each}" for each in refused), *(f"low: {each}" for each in low), sep="\n")


def _sha256(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _words_of(parsed: Parsed) -> Counter[str]:
    headings = dict.fromkeys(heading for section in parsed.sections for heading in section.path)
    texts = [text for section in parsed.sections for text in section.paragraphs]
    return _counted(" ".join((parsed.title, *headings, *texts, *parsed.notes)))


def _counted(text: str) -> Counter[str]:
    """Return the words; of other scripts each run of Latin letters and each character, since not all of them part words by spaces."""
    runs = (run for run in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()))
    return Counter(word for run in runs for word in ([run] if run.isascii() else _LATIN_OR_ONE.findall(run)))


def _words_of_others(path: Path) -> Counter[str] | None:
    try:
        text = _OTHERS[path.suffix.lower()](path)
    except (subprocess.SubprocessError, OSError, ValueError, KeyError, zipfile.BadZipFile, ElementTree.ParseError, LookupError):
        return None
    return _counted(text)


def _run(*command: str) -> str:
    if shutil.which(command[0]) is None:
        raise OSError(command[0])
    return subprocess.run(command, capture_output=True, check=True, timeout=_SECONDS).stdout.decode("utf-8", "replace")


def _pdf(path: Path) -> str:
    return _run("pdftotext", "-q", str(path), "-")


def _by_pandoc(kind: str) -> Callable[[Path], str]:
    def read(path: Path) -> str:
        return _run("pandoc", "--from", kind, "--to", "plain", "--wrap=none", str(path))

    return read


def _xml(*parts: str) -> Callable[[Path], str]:
    """Return what reads the text of `a:t`, `w:t` and the like in the named parts, paragraph by paragraph."""

    def read(path: Path) -> str:
        with zipfile.ZipFile(path) as packed:
            roots = [ElementTree.fromstring(packed.read(name)) for name in packed.namelist() if re.fullmatch("|".join(parts), name)]
        again = {id(each) for root in roots for copy in root.iter() if copy.tag.endswith("}Fallback") for each in copy.iter()}
        pieces = (each for root in roots for each in root.iter() if id(each) not in again and each.tag.endswith(("}p", "}t")))
        return "".join("\n" if each.tag.endswith("}p") else each.text or "" for each in pieces)

    return read


class _Text(HTMLParser):
    """The text of HTML outside of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.parts, self._silent = list[str](), 0

    def handle_starttag(self, tag: str, _attributes: list[tuple[str, str | None]]) -> None:
        self._silent += tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in {"script", "style"} and self._silent > 0

    def handle_data(self, data: str) -> None:
        self.parts += [data] * (not self._silent)


def _html(path: Path) -> str:
    parser = _Text()
    parser.feed(path.read_text(encoding="utf-8"))
    return html.unescape("".join(parser.parts))


def _mail(path: Path) -> str:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    body = message.get_body(("plain",))
    return str(body.get_content()) if body is not None else ""


def _plain(path: Path) -> str:
    return path.read_text(encoding="utf-8")


_WORD_PARTS = (r"word/(document|footnotes|endnotes|header\d*|footer\d*)\.xml",)
_OTHERS: dict[str, Callable[[Path], str]] = {
    ".pdf": _pdf,
    ".docx": _by_pandoc("docx") if shutil.which("pandoc") else _xml(*_WORD_PARTS),
    ".pptx": _xml(r"ppt/(slides/slide|notesSlides/notesSlide|diagrams/data)\d+\.xml"),
    ".html": _html,
    ".htm": _html,
    ".md": _by_pandoc("commonmark") if shutil.which("pandoc") else _plain,
    ".eml": _mail,
    ".txt": _plain,
    ".csv": _plain,
}


if __name__ == "__main__":
    typer.run(main)
