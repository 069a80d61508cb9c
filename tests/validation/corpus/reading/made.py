"""Small files of every kind, made here byte by byte: Word from its XML, PDF from its operators, old Office files from their streams."""

import io
import struct
import zipfile
from collections.abc import Mapping
from itertools import accumulate

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def zipped(parts: Mapping[str, bytes | str]) -> bytes:
    """Return an archive of these parts."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return packed.getvalue()


def word(body: str, *, comments: str = "") -> bytes:
    """Return a Word file with this inside `w:body`."""
    types = "application/vnd.openxmlformats-"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_TYPES}"><Default Extension="rels" ContentType="{types}package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" '
        f'ContentType="{types}officedocument.wordprocessingml.document.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}">'
        f'<Relationship Id="r1" Type="{_R}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{_W}" xmlns:r="{_R}"><w:body>{body}</w:body></w:document>',
    }
    if comments:
        parts["word/comments.xml"] = f'<w:comments xmlns:w="{_W}">{comments}</w:comments>'
        parts["word/_rels/document.xml.rels"] = (
            f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r9" Type="{_R}/comments" Target="comments.xml"/></Relationships>'
        )
    return zipped(parts)


def run(text: str, properties: str = "") -> str:
    """Return a run of Word."""
    return f'<w:r>{properties}<w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*inner: str) -> str:
    """Return a paragraph of Word; what is no XML is a run."""
    return f"<w:p>{''.join(each if each.startswith('<') else run(each) for each in inner)}</w:p>"


def table(*rows: tuple[str, ...], merged: tuple[int, int] = (-1, -1)) -> str:
    """Return a table of Word; the cell at `merged` says that it goes on from the row above."""
    cells = [
        [f"<w:tc><w:tcPr>{'<w:vMerge/>' * ((at, place) == merged)}</w:tcPr>{paragraph(text)}</w:tc>" for place, text in enumerate(row)]
        for at, row in enumerate(rows)
    ]
    return f"<w:tbl>{''.join('<w:tr>' + ''.join(row) + '</w:tr>' for row in cells)}</w:tbl>"


def pdf(*contents: bytes, page: bytes = b"", resources: bytes = b"", more: Mapping[int, bytes] | None = None, info: bytes = b"") -> bytes:
    """Return a PDF with these operators on each page; Helvetica is /F, and further objects begin at 100."""
    pages = [10 + 2 * at for at in range(len(contents))]
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R"
        + (b"/AcroForm<</Fields[100 0 R]>>" if b"/Widget" in b"".join((more or {}).values()) else b"")
        + b">>",
        2: b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(pages), b" ".join(b"%d 0 R" % number for number in pages)),
        3: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        4: b"<<%s>>" % info,
    }
    for number, shown in zip(pages, contents, strict=True):
        inside = b"<</Font<</F 3 0 R>>%s>>" % resources
        objects[number] = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources%s/Contents %d 0 R%s>>" % (inside, number + 1, page)
        objects[number + 1] = stream(shown)
    body, places = b"%PDF-1.7\n", dict[int, int]()
    for number, content in sorted((objects | dict(more or {})).items()):
        places[number] = len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%d 1\n%010d 00000 n \n" % (number, place) for number, place in places.items())
    return body + b"xref\n0 1\n0000000000 65535 f \n%strailer<</Size 999/Root 1 0 R/Info 4 0 R>>\nstartxref\n%d\n%%%%EOF" % (
        table,
        len(body),
    )


def stream(content: bytes, head: bytes = b"") -> bytes:
    """Return an object of a PDF that is a stream."""
    return b"<</Length %d%s>>stream\n%s\nendstream" % (len(content), head, content)


def lines_at(x: float, y: float, *lines: str, size: float = 10) -> bytes:
    """Return the operators that show lines one below the other."""
    shown = b"".join(b"(%s)Tj T* " % line.encode("cp1252").replace(b"(", b"\\(").replace(b")", b"\\)") for line in lines)
    return b"BT /F %g Tf %g TL %g %g Td %sET\n" % (size, size * 1.2, x, y, shown)


def compound(streams: Mapping[str, bytes]) -> bytes:
    """Return a compound file, as Office wrote them before 2007, of streams below `folder/name`; a sector has 512 bytes, a small one 64."""
    nodes = _Nodes(streams)
    small, large, mini_fat, fat = bytearray(), bytearray(), list[int](), list[int]()
    for node in nodes.files:
        piece, table, place = (64, mini_fat, small) if len(node.body) < 4096 else (512, fat, large)
        node.start, count = len(table) if node.body else 0xFFFFFFFE, -(-len(node.body) // piece)
        table += [*range(len(table) + 1, len(table) + count), 0xFFFFFFFE][: count or 0]
        place += node.body.ljust(count * piece, b"\0")
    starts = dict[str, int]()
    for name, body in {"mini": bytes(small), "minifat": _words(mini_fat), "tree": nodes.tree(0, len(small))}.items():
        count = -(-len(body) // 512)
        starts[name] = len(fat) if count else 0xFFFFFFFE
        fat += [*range(len(fat) + 1, len(fat) + count), 0xFFFFFFFE] if count else []
        large += (nodes.tree(starts["mini"], len(small)) if name == "tree" else body).ljust(
            count * 512, b"\xff" if name == "minifat" else b"\0"
        )
    sectors = -(-(len(fat) + 8) // 128)
    places = [*range(len(fat), len(fat) + sectors)]
    fat += [0xFFFFFFFD] * sectors
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(24, b"\0") + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, sectors, starts["tree"], 0, 4096, starts["minifat"], -(-len(mini_fat) // 128), 0xFFFFFFFE, 0)
    return header + _words(places + [0xFFFFFFFF] * (109 - sectors)) + bytes(large) + _words(fat).ljust(sectors * 512, b"\xff")


def _words(numbers: list[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


class _Node:
    def __init__(self, name: str, body: bytes, *, is_folder: bool) -> None:
        self.name, self.body, self.is_folder, self.start = name, body, is_folder, 0
        self.inner, self.next, self.first = list[_Node](), 0xFFFFFFFF, 0xFFFFFFFF


class _Nodes:
    """The entries of a compound file; those of a folder form a list, which is a tree that grew to one side."""

    def __init__(self, streams: Mapping[str, bytes]) -> None:
        self.all, folders = [_Node("Root Entry", b"", is_folder=True)], dict[str, _Node]()
        for path, body in streams.items():
            *above, name = path.split("/")
            parent = self.all[0]
            for folder in above:
                if folder not in folders:
                    folders[folder] = self._under(parent, _Node(folder, b"", is_folder=True))
                parent = folders[folder]
            self._under(parent, _Node(name, body, is_folder=False))
        self.files = [node for node in self.all if not node.is_folder]
        for node in self.all:
            inner = sorted(node.inner, key=lambda each: (len(each.name), each.name.upper()))
            numbers = [self.all.index(each) for each in inner]
            node.first = numbers[0] if numbers else 0xFFFFFFFF
            for each, after in zip(inner, [*numbers[1:], 0xFFFFFFFF], strict=False):
                each.next = after

    def _under(self, parent: _Node, node: _Node) -> _Node:
        parent.inner.append(node)
        self.all.append(node)
        return node

    def tree(self, start: int, size: int) -> bytes:
        entries = b""
        for at, node in enumerate(self.all):
            name = node.name.encode("utf-16-le") + b"\0\0"
            kind, first, length = (5, start, size) if at == 0 else (1, 0, 0) if node.is_folder else (2, node.start, len(node.body))
            entries += name.ljust(64, b"\0") + struct.pack(
                "<HBBIII36xIQ", len(name), kind, 1, 0xFFFFFFFF, node.next, node.first, first, length
            )
        return entries


def old_word(text: str) -> bytes:
    """Return a Word file from before 2007 with one piece of text, a paragraph a line."""
    letters = text.replace("\n", "\r").encode("utf-16-le")
    pieces = struct.pack("<II", 0, len(text)) + struct.pack("<HIH", 0, 2048, 0)
    table = b"\x02" + struct.pack("<I", len(pieces)) + pieces
    places = [0] * 186
    places[66], places[67] = 0, len(table)
    counts = [0] * 22
    counts[0], counts[3] = 2048 + len(letters), len(text)
    head = struct.pack("<HHHHHHHIHHHII", 0xA5EC, 0xC1, 0, 0x409, 0, 0x1200, 0xBF, 0, 0, 0, 0, 2048, 2048 + len(letters)).ljust(32, b"\0")
    head += struct.pack("<H", 14) + bytes(28) + struct.pack("<H", 22) + _words(counts) + struct.pack("<H", 93) + _words(places)
    return compound({"WordDocument": head.ljust(2048, b"\0") + letters.ljust(8192, b"\0"), "1Table": table.ljust(4096, b"\0")})


def old_slides(*slides: tuple[str, str]) -> bytes:
    """Return a PowerPoint file from before 2007; a slide is a title and a text."""

    def record(kind: int, body: bytes, version: int = 0, instance: int = 0) -> bytes:
        return struct.pack("<HHI", instance << 4 | version, kind, len(body)) + body

    texts = b""
    for number, (title, text) in enumerate(slides):
        texts += record(1011, struct.pack("<IIIII", number + 3, 0, 2, 256 + number, 0))
        for kind, words in ((0, title), (1, text)):
            texts += record(3999, struct.pack("<I", kind)) + record(4000, words.encode("utf-16-le"))
    parts = [record(1000, record(1001, bytes(40)) + record(4080, texts, 15), 15)]
    parts += [record(1006, record(1007, bytes(24), 2), 15) for _ in slides]
    offsets = [0, *accumulate(map(len, parts))]
    persist = record(6002, struct.pack("<I", len(parts) << 20 | 1) + _words(offsets[:-1]))
    edit = record(4085, struct.pack("<IIIIIIHH", 256, 0x03000000, 0, offsets[-1], 1, len(parts) + 1, 1, 0))
    user = record(4086, struct.pack("<IIIHHBBH", 20, 0xE391C05F, offsets[-1] + len(persist), 0, 1012, 3, 0, 0))
    return compound({"PowerPoint Document": (b"".join(parts) + persist + edit).ljust(4200, b"\0"), "Current User": user})


def outlook(subject: str, body: str, attached: Mapping[str, bytes]) -> bytes:
    """Return a message of Outlook from Ann with files attached."""

    def properties(values: Mapping[int, str | bytes | int], head: bytes, folder: str = "") -> dict[str, bytes]:
        entries, streams = head, dict[str, bytes]()
        for number, value in values.items():
            kind = 0x1F if isinstance(value, str) else 0x102 if isinstance(value, bytes) else 3
            content = value.encode("utf-16-le") if isinstance(value, str) else value if isinstance(value, bytes) else b""
            entries += struct.pack("<HHIII", kind, number, 6, value if isinstance(value, int) else len(content) + 2 * (kind == 0x1F), 0)
            streams |= {f"{folder}__substg1.0_{number:04X}{kind:04X}": content} if kind != 3 else {}
        return streams | {f"{folder}__properties_version1.0": entries}

    head = bytes(8) + struct.pack("<IIII8x", 0, len(attached), 0, len(attached))
    streams = properties({0x1A: "IPM.Note", 0x37: subject, 0x1000: body, 0xC1A: "Ann", 0x5D01: "ann@example.org"}, head)
    for at, (name, content) in enumerate(attached.items()):
        streams |= properties({0x3707: name, 0x3701: content, 0x3705: 1}, bytes(8), f"__attach_version1.0_#{at:08X}/")
    return compound(streams)


def old_sheets(**sheets: list[list[str | float]]) -> bytes:
    """Return a workbook from before 2007; a sheet whose name ends in `_hidden` is hidden."""

    def record(kind: int, body: bytes) -> bytes:
        return struct.pack("<HH", kind, len(body)) + body

    begin, end = record(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0)), record(0x0A, b"")
    bodies = list[bytes]()
    for rows in sheets.values():
        cells = b""
        for row, values in enumerate(rows):
            for column, value in enumerate(values):
                place = struct.pack("<HHH", row, column, 0)
                text = value.encode("utf-16-le") if isinstance(value, str) else b""
                cells += record(0x203, place + struct.pack("<d", value)) if isinstance(value, float) else b""
                cells += record(0x204, place + struct.pack("<HB", len(text) // 2, 1) + text) if text else b""
        bodies.append(record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 0)) + cells + end)
    start = len(begin) + len(end) + sum(12 + 2 * len(name) for name in sheets)
    for name, begins_at in zip(sheets, accumulate(map(len, bodies[:-1]), initial=start), strict=True):
        begin += record(0x85, struct.pack("<IBBBB", begins_at, name.endswith("_hidden"), 0, len(name), 1) + name.encode("utf-16-le"))
    return compound({"Workbook": (begin + end + b"".join(bodies)).ljust(4200, b"\0")})
