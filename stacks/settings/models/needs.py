"""What the model services need of other settings: images of a version that can do what is asked, and KEDA where they scale by queue."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from pydantic import Field

from components.engines import ENGINES
from components.engines.engine import Problem, Version
from stacks import image_names
from stacks.names import ServiceUrl
from stacks.settings.group import Group
from stacks.settings.images import ImageSettings
from stacks.settings.models.serving import Serving


class KedaSettings(Group):
    """KEDA is installed in the cluster; without it nothing can scale by a queue."""

    prometheus_url: ServiceUrl = Field(
        description="Prometheus that scrapes the model services", examples=["http://prometheus.monitoring.svc:9090"]
    )


def version(service: Serving, image: str | None) -> Version | None:
    """Version of a service's engine, by the tag of its image; None where it shows none."""
    if image is None:
        return None
    name = image_names.parse(image)
    return ENGINES[service.engine].version(name.repository, name.tag)


def problems(
    services: Mapping[str, Serving | None], images: ImageSettings, keda: KedaSettings | None, *, makes_users: bool
) -> list[Problem]:
    """Everything that is missing or too old."""
    return [
        problem
        for name, service in services.items()
        if service is not None
        for problem in (
            *_missing_images(name, service, images),
            *(
                replace(each, setting=f"{name}.{each.setting}")
                for each in _problems(service, version(service, getattr(images, name)), keda, makes_users=makes_users)
            ),
        )
    ]


def _missing_images(name: str, service: Serving, images: ImageSettings) -> Iterator[Problem]:
    if service.runs_here and getattr(images, name) is None:
        text = f"is missing: {name}.engine is {service.engine!r}, and nobody but you can know its image"
        yield Problem(code="models.image_missing", setting=f"images.{name}", text=text)
    if service.weights is not None and service.weights.source == "bucket" and images.suite is None:
        text = f"is missing: it copies {name}.weights from the bucket"
        yield Problem(code="models.image_missing", setting="images.suite", text=text)


def _problems(service: Serving, of_version: Version | None, keda: KedaSettings | None, *, makes_users: bool) -> Iterator[Problem]:
    yield from service.problems(of_version)
    if service.scaling is not None and service.scaling.waiting_requests is not None and keda is None:
        text = (
            "needs KEDA, since Kubernetes alone knows no queue; where it is installed, set keda.prometheus_url, else scale by cpu_percent"
        )
        yield Problem(code="models.keda", setting="scaling.waiting_requests", text=text)
    weights = service.weights
    if weights is not None and weights.source == "bucket" and weights.secret_name is None and not makes_users:
        text = "is missing: this driver of the object store makes no user that could read the bucket"
        yield Problem(code="models.weights_secret", setting="weights.secret_name", text=text)
