"""Residency: what the settings name outside is refused before anything is created. Pure."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pulumi

from policies.residency import is_inside
from stacks import images
from stacks.images import lock
from stacks.problems import PROJECT, SettingsError
from stacks.settings import Settings
from stacks.settings.object_store import CosiSettings, GreenLakeSettings, S3Settings
from stacks.wiring import tenancy

_COSI = (
    "{project}:residency is locked, and buckets are made by COSI: its driver asks HPE GreenLake or a management of your own, whose address "
    "(dsccZone) is in its Secret {secret}, which nobody here may read, so it is not checked. It gets names of buckets and users, "
    "no objects. Cure: see that it is on premises, or take the driver existing"
)


def refuse_outside(settings: Settings) -> None:
    """SettingsError with every address that is not on the list, where residency is locked."""
    if settings.residency.mode != "locked":
        return
    chosen = settings.object_store
    if isinstance(chosen, CosiSettings):
        pulumi.log.warn(_COSI.format(project=PROJECT, secret=f"{chosen.backend_namespace}/{chosen.backend_secret}"))
    outside = [f"  {what}: {host}" for what, host in named(settings) if not is_inside(host, allowed(settings))]
    if outside:
        wrong = f"{PROJECT}:residency is locked, and settings name what is not on the list {PROJECT}:residency.allowed:"
        cure = f"  if it is on premises: pulumi config set --path '{PROJECT}:residency.allowed[0]' HOST"
        raise SettingsError("\n".join([wrong, *outside, cure]))


def allowed(settings: Settings) -> tuple[str, ...]:
    """The list, and the names of the cluster itself."""
    return (*settings.residency.allowed, f"*.svc.{settings.cluster.domain}")


def named(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every host that the settings name, with the setting that names it."""
    store, milvus = settings.object_store, settings.milvus
    urls = {f"{endpoint.name} ({endpoint.why})": endpoint.url for endpoint in tenancy.endpoints(settings)}
    if isinstance(store, S3Settings):
        urls["object_store.iam_endpoint"] = store.iam_endpoint
    if isinstance(store, GreenLakeSettings):
        urls |= {"object_store.api_endpoint": store.api_endpoint, "object_store.token_url": store.token_url}
    if settings.keda is not None:
        urls["keda.prometheus_url"] = settings.keda.prometheus_url
    if repository := milvus.resolved_chart_repository() or (milvus.chart if "://" in milvus.chart else None):
        urls["milvus.chart_repository"] = repository
    yield from ((what, urlsplit(url).hostname or "") for what, url in urls.items())
    for name, image in lock.named(settings).items():
        yield f"images.{name}", urlsplit(f"//{images.parse(image).registry}").hostname or ""
