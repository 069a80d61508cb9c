"""Tools and images in the cache: what was damaged since it was built is told in one line and built again."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from lab import sums
from lab.places import CACHE
from lab.steps import Steps


def ensure(whats: Sequence[Path], make: Callable[[], object], steps: Steps) -> None:
    """Have `make` build `whats` (files or folders) again where one is not what it was built as; write down the sums that are missing."""
    wrong = next(filter(None, map(damage, whats)), "")
    if wrong:
        steps.say(f"note   {whats[0].name} in the cache is damaged: {wrong}; it is built again")
        for what in whats:
            forget(what)
        make()
    for what in whats:
        if sums.read(sums.beside(what)) is None:
            sums.write(sums.take(what), sums.beside(what))


def damage(what: Path, *, thorough: bool = False) -> str:
    """Return what is wrong with it, "" where nothing is or nothing is known."""
    if not what.exists():
        return f"{what.name} is gone"
    kept = sums.read(sums.beside(what))
    return sums.damage(what, kept, thorough=thorough) if kept is not None else ""


def forget(what: Path) -> None:
    """Remove it with its sums."""
    for one in (what, sums.beside(what)):
        if one.is_dir():
            shutil.rmtree(one)
        else:
            one.unlink(missing_ok=True)


def damaged(among: Iterable[str] | None = None, *, thorough: bool = False) -> dict[Path, str]:
    """Return what of the cache is damaged and how: of everything, or of the tools and images that are named `among`."""
    lists = [*(CACHE / "tools").glob("*.sums"), *(CACHE / "images").glob("*.sums")]
    whats = [path.with_suffix("") for path in lists]
    found = {what: damage(what, thorough=thorough) for what in whats if among is None or what.name in among}
    return {what: wrong for what, wrong in found.items() if wrong}
