"""Write every object of the stack to build/render/ENV/, one file an object: no cluster, no network, the same bytes every time.

Secrets are `<secret>`, what only a running system knows is `<known after pulumi up>`. The release of Milvus is rendered by `helm
template` where the chart is on this machine; else a note says how to get it. What was in that folder before is replaced as a whole.

For example, to compare two commits:

    ./rag render prod --out before; git switch other; ./rag render prod --out after

    git diff --no-index before after
"""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stacks.commands import EnvironmentName, select
from stacks.problems import SettingsError

if TYPE_CHECKING:
    from stacks.rendering import Object

_MARK = ".rendered"


def run(
    environment: EnvironmentName,
    out: Annotated[Path | None, typer.Option(help="Folder to write to. Default: build/render/ENV")] = None,
) -> None:
    """Render one environment."""
    selected = select(environment)
    from stacks import rendering

    rendered = rendering.render(selected)
    folder = out if out is not None else Path("build") / "render" / environment
    write(rendered.objects, folder)
    for note in rendered.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{len(rendered.objects)} objects in {folder}")


def write(objects: "list[Object]", folder: Path) -> None:
    """Replace `folder` as a whole; SettingsError for one with something else in it, which would be lost."""
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        text = f"{folder} holds something that `render` did not write, and would be replaced; choose another folder with --out"
        raise SettingsError(text)
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for item in objects:
        target = fresh / item.path
        if target.exists():
            raise SettingsError(f"two objects are called {item.path}: the second would overwrite the first in the cluster as well")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(item.text, encoding="utf-8")
    (fresh / _MARK).touch()
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
