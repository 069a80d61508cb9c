"""Packs an Office file anew, so that its bytes depend on what it holds alone: no clock, no order of a dictionary, no compression."""

import io
import zipfile

_EPOCH = (1980, 1, 1, 0, 0, 0)


def repacked(body: bytes) -> bytes:
    """Return the same archive with fixed dates, stored."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as before, zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as after:
        for name in before.namelist():  # [Content_Types].xml has to stay first
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            after.writestr(entry, before.read(name))
    return packed.getvalue()
