"""Tools and images in the cache: what was damaged since it was built is told in one line and built again."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from lab import sums
from lab.places import CACHE, STATE
from lab.steps import Steps
from lab.toolchain import BUILDS

USED = STATE / "used.json"


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


def sweep(cache: Path = CACHE) -> None:
    """Remove what builds that were killed left; only for who holds the lock of the lab, since nobody else builds these."""
    left = [path for end in ("root", "partial", "layer", "new") for path in (cache / "images").glob(f"*.{end}")]
    ours = [name for name, build in BUILDS.items() if not build.on_demand]  # a test may be building the others
    left += [path for name in ours for path in (cache / "tools").glob(f"{name}-*.partial-*")]
    for path in left:
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()


def use(whats: Sequence[Path]) -> None:
    """Write down which tools and images the lab uses: the cache holds those of other checkouts too."""
    fresh = USED.with_suffix(".new")
    fresh.write_text(json.dumps([str(what) for what in whats]))
    fresh.replace(USED)


def damaged() -> dict[str, str]:
    """Return what is wrong with tools and images that the lab uses, by their names."""
    used = [Path(text) for text in json.loads(USED.read_text())] if USED.exists() else []
    return {what.name: wrong for what in used if (wrong := damage(what))}
