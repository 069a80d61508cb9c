"""The private certificate authority of one service, the object store or Milvus, as a ConfigMap that its clients read.

It holds that one authority and no public one: what mounts it speaks to that service and to nobody else, and a system that trusts less
is asked less. Without a private authority there is no ConfigMap, and clients keep the public ones of their image.
"""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

CA_KEY = "ca.crt"
"""Key of the ConfigMap that holds the PEM text."""


@dataclass(frozen=True, kw_only=True)
class TrustArgs:
    """Whom to trust, and where."""

    namespace: pulumi.Input[str]
    """Kubernetes namespace of the ConfigMap."""
    ca_pem: str
    """PEM text of the authority; "" for none."""


class Trust(pulumi.ComponentResource):
    """The private certificate authority of one service, as a ConfigMap."""

    config_map_name: pulumi.Output[str]
    """Name of the ConfigMap, "" when there is no private authority."""

    def __init__(self, name: str, args: TrustArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("milvus-x10000:index:Trust", name, None, opts)
        self.config_map_name = self._make_config_map(name, args).metadata["name"] if args.ca_pem else pulumi.Output.from_input("")
        self.register_outputs({"config_map_name": self.config_map_name})

    def _make_config_map(self, name: str, args: TrustArgs) -> k8s.core.v1.ConfigMap:
        return k8s.core.v1.ConfigMap(
            f"{name}-ca",
            metadata={"name": name, "namespace": args.namespace},
            data={CA_KEY: args.ca_pem},
            opts=pulumi.ResourceOptions(parent=self),
        )
