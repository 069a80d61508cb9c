"""What counts as a word before n-grams are taken: Latin words as they are, Chinese and Japanese as overlapping pairs of letters.

Neither script puts spaces between words, so an n-gram inside "words" would run across a whole sentence; pairs are what search engines
take for them where they have no dictionary.
"""

import re
import unicodedata

_RUN = re.compile(r"[\u3041-\u3096\u30a1-\u30fe\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")


def in_words(text: str) -> str:
    """Return the text in small letters of normal width, `保证期间` as `保证 证期 期间`."""
    return _RUN.sub(_pairs, unicodedata.normalize("NFKC", text).lower())


def _pairs(run: re.Match[str]) -> str:
    letters = run[0]
    pairs = (letters[at : at + 2] for at in range(max(1, len(letters) - 1)))
    return f" {' '.join(pairs)} "
