"""From a file's bytes to sections and chunks, in a process of its own, since files are anybody's."""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one file may cost before it is named instead of read."""

    largest_mib: float = 64  # of the file as it is stored
    seconds: float = 60  # for reading one file
    memory_mib: int = 2_048  # of the process that reads Office files, PDFs and whatever is large
    most_text_mib: float = 32  # of what is read out of one file


class UnreadableError(Exception):
    """The file cannot be read, or must not be; the message says what it is and what helps. It never stops the other files."""
