"""Texts for fitting and for reading: the passages that the gate's own readers made of the corpus, and sentences.

Refuses to read documents: that is the ingest pipeline's work, with real libraries; `python -m validation passages` hands over what it read.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

# A sentence ends at . ! or ? before a capital, a digit or an opening quote, but not after a number ("14. März") or one letter ("z. B.");
# in Chinese and Japanese at a full stop of theirs, whatever follows.
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\d\.)(?<![\s(][^\W\d_]\.)\s+(?=[A-ZÄÖÜ\d\"„“§])|(?<=[。！？])")


@dataclass(frozen=True, kw_only=True)
class Passages:
    """What the embedder is fitted on."""

    corpus_sha256: str
    """By which the gate's report names the corpus."""
    texts: tuple[tuple[str, str, str], ...]
    """Title, heading and text of each passage."""


def read_passages(path: Path) -> Passages:
    """Read what `python -m validation passages CORPUS_DIR OUT_FILE` wrote; raise `ValueError` when it is something else, or nothing."""
    cure = "make it with: python -m validation passages CORPUS_DIR OUT_FILE"
    try:
        first, *lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        texts = tuple((str(line["title"]), str(line["section"]), str(line["text"])) for line in lines)
        digest = str(first["corpus_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: no passages of a corpus ({error}), so nothing can be fitted; {cure}") from error
    if not texts:
        raise ValueError(f"{path}: holds no passages, so nothing can be fitted; {cure}")
    return Passages(corpus_sha256=digest, texts=texts)


def sentences(text: str) -> list[str]:
    """Sentences and table rows of a text: a line never joins the next."""
    found = (part.strip() for line in text.splitlines() for part in _SENTENCE_END.split(line))
    return [sentence for sentence in found if sentence]
