"""Residency: what the settings name outside the house is refused before anything is created. Pure."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pulumi

from policies.residency import is_inside, registry
from stacks.parts import tenancy
from stacks.problems import SettingsError
from stacks.settings import PROJECT, Settings
from stacks.settings.object_store import CosiSettings, GreenLakeSettings, S3Settings

_COSI = (
    "{project}:residency is locked, and buckets are made by COSI: its driver asks HPE GreenLake or a management of your own, whose address "
    "(dsccZone) is in its Secret {secret}, which nobody here may read, so it is not checked. It gets names of buckets and users, "
    "no objects. Cure: see that it is in the house, or take the driver existing"
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
        raise SettingsError(
            "\n".join(
                [
                    f"{PROJECT}:residency is locked, and settings name what is not on the list {PROJECT}:residency.allowed:",
                    *outside,
                    f"  if it is in the house: pulumi config set --path '{PROJECT}:residency.allowed[0]' HOST",
                ]
            )
        )


def allowed(settings: Settings) -> tuple[str, ...]:
    """The list, and the names of the cluster itself."""
    return (*settings.residency.allowed, f"*.svc.{settings.cluster.domain}")


def named(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every host that the settings name, with the setting that names it."""
    for endpoint in tenancy.endpoints(settings):
        yield f"{endpoint.name} ({endpoint.why})", _host(endpoint.url)
    if isinstance(settings.object_store, S3Settings):
        yield "object_store.iam_endpoint", _host(settings.object_store.iam_endpoint)
    if isinstance(settings.object_store, GreenLakeSettings):
        yield "object_store.api_endpoint", _host(settings.object_store.api_endpoint)
        yield "object_store.token_url", _host(settings.object_store.token_url)
    if settings.keda is not None:
        yield "keda.prometheus_url", _host(settings.keda.prometheus_url)
    repository = settings.milvus.resolved_chart_repository() or (settings.milvus.chart if "://" in settings.milvus.chart else None)
    if repository is not None:
        yield "milvus.chart_repository", _host(repository)
    for name, image in settings.images.model_dump().items():
        if image is not None:
            yield f"images.{name}", registry(image)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
