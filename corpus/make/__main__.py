"""`python -m corpus.make`: writes every document that has a source, and says which of them changed."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from corpus.make.pdf import make_pdf
from corpus.make.picture import make_png
from corpus.make.slides import make_pptx
from corpus.make.word import make_docx

CORPUS = Path(__file__).parents[1]
_MAKERS: dict[str, Callable[[str, str], bytes]] = {".pdf": make_pdf, ".docx": make_docx, ".pptx": make_pptx, ".png": make_png}


def documents() -> Iterator[tuple[Path, bytes]]:
    """Yield where each document belongs, and its bytes; ValueError names a source that nobody can make."""
    for source in sorted((CORPUS / "sources").glob("*/*")):
        language, name = source.parent.name, Path(source.stem)
        maker = _MAKERS.get(name.suffix)
        if maker is None:
            raise ValueError(f"{source}: nothing is made of it; name it NAME{{{','.join(_MAKERS)}}}.md, a picture NAME.png.yaml")
        yield CORPUS / "documents" / language / name, maker(source.read_text(encoding="utf-8"), language)


def main() -> int:
    """Write what changed."""
    for path, body in documents():
        same = path.is_file() and path.read_bytes() == body
        if not same:
            path.write_bytes(body)
        print(f"{'same   ' if same else 'written'} {path.relative_to(CORPUS)} {len(body):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
