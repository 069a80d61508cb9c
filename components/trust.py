"""The private certificate authority of one service, the object store or Milvus, as a ConfigMap that its clients read.

It holds that one authority and no public one: what mounts it speaks to that service and to nobody else. Without a private authority there
is no ConfigMap, and clients keep the public ones of their image.
"""

from dataclasses import dataclass

import pulumi

from components.component import Component

CA_KEY = "ca.crt"  # key of the ConfigMap that holds the PEM text


@dataclass(frozen=True, kw_only=True)
class TrustArgs:
    """Whom to trust, and where."""

    namespace: pulumi.Input[str]
    ca_pem: str
    """PEM text of the authority; "" for none."""


class Trust(Component):
    """The private certificate authority of one service, as a ConfigMap."""

    config_map_name: pulumi.Output[str]
    """Name of the ConfigMap, "" when there is no private authority."""

    def __init__(self, name: str, args: TrustArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        made = self._make_config_map(f"{name}-ca", name, args.namespace, CA_KEY, args.ca_pem) if args.ca_pem else ""
        self.config_map_name = pulumi.Output.from_input(made)
        self.register_outputs({"config_map_name": self.config_map_name})
