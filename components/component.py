"""What every component is made with: its token, options for its children, and the two small objects that several of them make.

The token ends with the name of the class, and the state of every stack holds it: such a class is never renamed.
"""

import pulumi
import pulumi_kubernetes as k8s


class Component(pulumi.ComponentResource):
    """A component of the blueprint; whatever it makes is a child of it."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(f"milvus-x10000:index:{type(self).__name__}", name, None, opts)
        self._own = pulumi.ResourceOptions(parent=self)

    def _make_secret(self, resource: str, name: str, namespace: pulumi.Input[str], **texts: pulumi.Input[str]) -> pulumi.Output[str]:
        """Make a Secret and return its name, for whoever has to wait for it."""
        metadata: k8s.meta.v1.ObjectMetaArgsDict = {"name": name, "namespace": namespace}
        return k8s.core.v1.Secret(resource, metadata=metadata, string_data=texts, opts=self._own).metadata["name"]

    def _make_config_map(
        self, resource: str, name: str, namespace: pulumi.Input[str], key: str, text: pulumi.Input[str]
    ) -> pulumi.Output[str]:
        """Make a ConfigMap of one file and return its name, as above."""
        metadata: k8s.meta.v1.ObjectMetaArgsDict = {"name": name, "namespace": namespace}
        return k8s.core.v1.ConfigMap(resource, metadata=metadata, data={key: text}, opts=self._own).metadata["name"]
