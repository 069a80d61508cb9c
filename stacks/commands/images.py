"""Print what has to be mirrored for a network without the internet, one a line: `image NAME`, `chart REPOSITORY NAME VERSION`.

Images that the chart brings by itself, such as etcd, are among them; where the chart is on this machine, its own pods say which.
With registry.mirrors, each name is followed by the one at the mirror; with a lock (`./rag pin`), names carry their digests, so that a copy
can be compared.

For example, with skopeo:

    ./rag images prod | awk '$1 == "image" {print $2, $3}' | xargs -n2 sh -c 'skopeo copy --all docker://$0 docker://$1'
"""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.subject import containers, get
from stacks import images, rendering
from stacks.commands import EnvironmentName, Json, select, show
from stacks.environments import Environment
from stacks.images import chart, lock
from stacks.images.chart import Release

_ETCD = {"repository": "milvusdb/etcd", "tag": "3.5.25-r1"}
"""What chart 5.0.19 installs by default as etcd, by its values.yaml; another version, the default 5.0.25 too, may bring another one."""


def run(environment: EnvironmentName, *, as_json: Json = False) -> None:
    """Print the images and the chart of one environment."""
    selected = select(environment, as_named=True)
    release, named = rendering.release(selected), references(selected)
    mirrors = {text: images.mirrored(images.parse(text), selected.settings.registry.mirrors).text for text in named}
    lines = [" ".join(["image", text, *([mirror] if mirror != text else [])]) for text, mirror in mirrors.items()]
    where = f"{release.repository.rstrip('/')}/ " if release.repository is not None else ""
    if where or release.chart.startswith("oci://"):
        lines.append(f"chart {where}{release.chart} {release.version}")
    chart = {"repository": release.repository, "name": release.chart, "version": release.version}
    show({"images": [{"name": text, "mirror": mirror} for text, mirror in mirrors.items()], "chart": chart}, lines, as_json=as_json)


def references(environment: Environment) -> list[str]:
    """References of all images, whole and sorted; with the digests of the lock where there is one."""
    release = rendering.release(environment)
    pins, named = lock.read(environment.name), lock.named(environment.settings)
    known = {name: pins.images[name].reference if pins is not None and name in pins.images else text for name, text in named.items()}
    others = {images.parse(text).text for text in _of_pods(environment)} - {images.parse(text).text for text in named.values()}
    by_the_chart = set() if chart.at_hand(release) is not None else set(_by_the_chart(release))
    return sorted({*(images.parse(text).text for text in known.values()), *others, *by_the_chart})


def _of_pods(environment: Environment) -> Iterator[str]:
    for item in rendering.render(environment).objects:
        for container in containers(item.subject):
            yield str(container["image"])


def _by_the_chart(release: Release) -> Iterator[str]:
    if get(release.values, "etcd", "enabled") is True:
        given: Mapping[str, Any] = {**_ETCD, **(get(release.values, "etcd", "image") or {})}
        text = f"{given['repository']}:{given['tag']}"
        yield images.parse(f"{given['registry']}/{text}" if given.get("registry") else text).text
