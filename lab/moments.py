"""Twenty moments at which `make up` is killed, spread over all its steps, as plain data. In the order in which it comes to them."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One moment: a step that was entered and some seconds later, or a line that was said."""

    name: str
    what: str
    """What is under way then."""
    step: str = ""
    """How the title of the step begins; "" where `says` decides."""
    after_s: float = 0.0
    says: str = ""
    """Regular expression for the command's output."""
    down: bool = False
    """Whether the lab is taken down first, so that the step has everything to do."""
    forget: str = ""
    """Folder and beginning of a name in the cache that is forgotten first: it is built anew."""
    everything: bool = False
    """Whether whatever the command started is killed with it: Pulumi, its plugins, Helm, the compiler; else they end as they do."""

    def is_said(self, text: str) -> bool:
        """Return whether the line of this moment is in the output."""
        return bool(self.says) and re.search(self.says, text) is not None


MOMENTS = (
    Moment(name="packages", what="Python packages are installed", step="Python packages", after_s=4, forget="venv"),
    Moment(name="tool-kubernetes", what="Kubernetes is compiled", step="tools: kubernetes", after_s=5, forget="tools/kubernetes-"),
    Moment(
        name="tool-versitygw",
        what="the S3 server is compiled",
        step="tools: versitygw",
        after_s=2,
        forget="tools/versitygw-",
        everything=True,
    ),
    Moment(name="tool-pulumi", what="the Pulumi CLI is compiled", step="tools: pulumi 3", after_s=5, forget="tools/pulumi-3"),
    Moment(name="image-milvus", what="the image of Milvus is unpacked", step="image: milvus", after_s=2, forget="images/milvus-"),
    Moment(name="image-models", what="the embedding is fitted", step="image: models", after_s=6, forget="images/models-", everything=True),
    Moment(name="image-suite", what="the suite's image is filled", step="image: suite", after_s=5, forget="images/suite-"),
    Moment(name="certificates", what="keys and certificates are made", step="lab: certificates", down=True),
    Moment(name="tree-start", what="the process tree starts", step="lab: process tree", down=True),
    Moment(name="tree-unwired", what="it runs, and no route leads to it yet", step="lab: process tree", after_s=0.1, down=True),
    Moment(name="api", what="API server and object store come up", step="lab: Kubernetes API", after_s=1, down=True),
    Moment(name="image-import", what="the first image is imported", step="lab: images", after_s=1, down=True, everything=True),
    Moment(name="image-import-late", what="a large image is imported", step="lab: images", after_s=5, down=True),
    Moment(name="node", what="the node registers", step="lab: node", after_s=0.3, down=True),
    Moment(name="stack-init", what="the stack is made and selected", step="pulumi up", after_s=1, down=True, everything=True),
    Moment(name="namespace", what="Pulumi makes its first objects", says="Namespace tenancy-namespace creat", down=True),
    Moment(name="bucket", what="Pulumi makes buckets and keys", says="Bucket milvus-store-bucket creat", down=True, everything=True),
    Moment(name="release", what="Helm installs Milvus", says="Release milvus-release creat", down=True, everything=True),
    Moment(name="models", what="model services start", says="Deployment llm-server-deployment creat", down=True),
    Moment(name="gate", what="the gate searches", says=r"search [1-9]\d+/", everything=True),
)


def chosen(kills: int, names: list[str], first: str) -> list[Moment]:
    """Return the moments to try: those that are named, else `kills` spread evenly over those from `first` on."""
    if names:
        return [moment for moment in MOMENTS if moment.name in names]
    behind = list(MOMENTS[next((at for at, moment in enumerate(MOMENTS) if moment.name == first), 0) :])
    if kills >= len(behind):
        return behind
    return [behind[round(at * (len(behind) - 1) / max(1, kills - 1))] for at in range(kills)]
