"""What one file may cost before it is named instead of read."""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds for each file."""

    largest_mib: float = 64
    """Of the file as it is stored."""
    seconds: float = 60
    """For reading one file."""
    memory_mib: int = 2_048
    """Of the process that reads Office files, PDFs and whatever is large."""
    most_text_mib: float = 32
    """Of what is read out of one file."""
