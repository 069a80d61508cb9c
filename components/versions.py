"""Every version that the components pin, in one place. Images are settings: what may be run is the operator's decision."""

MILVUS_CHART = "milvus"
MILVUS_CHART_REPOSITORY = "https://zilliztech.github.io/milvus-helm/"
KUBERNETES_VERSION = "1.34.0"  # what charts are rendered for where no cluster is asked, so that the bytes are the same on every machine
MILVUS_VERSION = "2.6.21"
MILVUS_CHART_VERSION = "5.0.25"
"""The chart of that Milvus. The keys of the values were read from 5.0.19 (tests/components/milvus-chart-5.0.19.keys) and render alike
from 5.0.8 on; `./rag pin`, `./rag render` and a rollout compare them with those of the very chart."""
