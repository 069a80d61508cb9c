"""Which language a text is in, by py3langid, where no folder says it; and which names of folders are languages."""

import functools
import re
from typing import Any

from validation.clients.passages import Parsed

_LOOKED_AT = 4_000
_FEWEST, _FEWEST_WIDE = 60, 12  # letters below which a guess is none; fewer are enough of scripts that only few languages write
_SURE = 0.6
_CODE = re.compile(
    r"a[fmnrsz]|b[egnrs]|c[asy]|d[aez]|e[lnostu]|f[aior]|g[alu]|h[eirtuy]|i[dst]|j[av]|k[akmnouy]|l[abotv]|m[gklnrst]|n[belno]|o[cr]|p[alst]"
    r"|qu|r[ouw]|s[eiklqrvw]|t[aehlr]|u[gkr]|v[io]|wa|xh|z[hu]"
)
"""Of ISO 639-1, those that the library tells apart."""
_DOUBTFUL = re.compile(r"a[mns]|b[er]|ga|h[ert]|i[dst]|l[ao]|m[gs]|no|or|p[as]|qu|s[eir]|t[ae]")
"""Codes that are as well the name of a department, a country or a project."""


def language_of_folder(name: str) -> str:
    """Return the language that a folder's name is the code of, as `de`, `EN` or `zh-CN`; "" where it is none, or another word as likely."""
    code, _, region = name.replace("_", "-").partition("-")
    code = code.lower()
    is_code = bool(_CODE.fullmatch(code)) and (not region or (len(region) == 2 and region.isalpha()))  # noqa: PLR2004 - of ISO 3166
    return code if is_code and (region or not _DOUBTFUL.fullmatch(code)) else ""


def language_of(parsed: Parsed) -> str:
    """Return the language of the text; "" where it is too short, or in doubt."""
    text = " ".join(words for section in parsed.sections[:40] for words in section.paragraphs[:40])[:_LOOKED_AT]
    letters = [letter for letter in text if letter.isalpha()]
    if len(letters) < (_FEWEST if sum(map(str.isascii, letters)) * 2 > len(letters) else _FEWEST_WIDE):
        return ""
    language, probability = _identifier().classify(text)
    return str(language) if probability >= _SURE and _CODE.fullmatch(language) else ""


@functools.cache
def _identifier() -> Any:  # noqa: ANN401 - py3langid has no types
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]  # noqa: PLC0415 - it is slow to load

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
