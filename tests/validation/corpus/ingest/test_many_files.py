"""Ten thousand small files are all read, in the memory of a few."""

import resource
from pathlib import Path

from validation.corpus.ingest.folder import walk
from validation.corpus.ingest.prepare import distinct, prepare
from validation.corpus.reading import Limits
from validation.corpus.reading.isolation import IsolatedReader

MANY = 10_000
_MIB = 1024  # ru_maxrss is in KiB


def test_ten_thousand_small_files_are_all_read_in_little_memory(tmp_path: Path) -> None:
    for number in range(MANY):
        (tmp_path / f"{number:05d}.txt").write_bytes(b"Words of document %d." % number)
    before, seen = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, set[int]()
    with IsolatedReader(Limits()) as reader:
        for one in distinct(walk(tmp_path), Limits(), print):
            seen |= {chunk.stable_id for chunk in prepare(one, reader).chunks}
    assert len(seen) == MANY
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * _MIB
