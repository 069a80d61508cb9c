"""The lock of an environment: for each image the digest that was found behind its name, and the checksum of the chart."""

from pathlib import Path

_FOLDER = Path(__file__).parent


def path_of(environment: str) -> Path:
    """Where the lock of an environment is."""
    return _FOLDER / f"images.{environment}.lock"
