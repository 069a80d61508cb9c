"""What the model services need of other settings: images, and KEDA where they scale by queue."""

from collections.abc import Mapping

from pydantic import Field

from stacks.names import ServiceUrl
from stacks.settings.group import Group
from stacks.settings.images import ImageSettings
from stacks.settings.models.serving import Serving


class KedaSettings(Group):
    """KEDA is installed in the cluster; without it nothing can scale by a queue."""

    prometheus_url: ServiceUrl = Field(
        description="Prometheus that scrapes the model services", examples=["http://prometheus.monitoring.svc:9090"]
    )


def problems(services: Mapping[str, Serving | None], images: ImageSettings, keda: KedaSettings | None, *, makes_users: bool) -> list[str]:
    """One sentence for each thing that is missing."""
    found = []
    for name, service in services.items():
        if service is None:
            continue
        if service.engine != "external" and getattr(images, name) is None:
            found.append(f"{name}.engine is {service.engine!r}, and images.{name} is missing: nobody but you can know it")
        found += _bucket_problems(name, service, images, makes_users=makes_users)
        if service.scaling is not None and service.scaling.waiting_requests is not None and keda is None:
            found.append(
                f"{name}.scaling.waiting_requests needs KEDA, which knows a queue where Kubernetes alone knows CPU; where it is installed, "
                "set keda.prometheus_url, else scale by cpu_percent"
            )
    return found


def _bucket_problems(name: str, service: Serving, images: ImageSettings, *, makes_users: bool) -> list[str]:
    if service.weights is None or service.weights.source != "bucket":
        return []
    found = []
    if images.suite is None:
        found.append(f"{name}.weights come from a bucket, and images.suite, which copies them, is missing")
    if service.weights.secret_name is None and not makes_users:
        found.append(f"{name}.weights.secret_name is missing: this driver of the object store makes no user that could read the bucket")
    return found
