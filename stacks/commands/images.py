"""Print what has to be mirrored for a network without the internet, one a line: `image NAME`, `chart REPOSITORY NAME VERSION`.

Images that the chart brings by itself, such as etcd, are among them. With registry.mirrors, each name is followed by the one at the mirror;
with a lock (`make pin`), names carry their digests, so that a copy can be compared.

For example, with skopeo:

    python -m stacks images prod | awk '$1 == "image" {print $2, $3}' | xargs -n2 sh -c 'skopeo copy --all docker://$0 docker://$1'
"""

from stacks import images
from stacks.commands import EnvironmentName, select


def run(environment: EnvironmentName) -> None:
    """Print the images and the chart of one environment."""
    selected = select(environment, as_named=True)
    from stacks.images import listing

    for text in listing.references(selected):
        image = images.parse(text)
        mirror = images.mirrored(image, selected.settings.registry.mirrors)
        print("image", text, *([mirror.text] if mirror != image else []))
    chart = listing.chart_to_pull(selected)
    if chart is not None:
        print("chart", chart)
