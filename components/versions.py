"""Every version that the components pin, in one place. Images are settings: what may be run is the operator's decision."""

MILVUS_CHART = "milvus"
MILVUS_CHART_REPOSITORY = "https://zilliztech.github.io/milvus-helm/"
KUBERNETES_VERSION = "1.34.0"
"""What charts are rendered for where no cluster is asked, so that the bytes are the same on every machine."""
MILVUS_CHART_VERSION = "5.0.19"
"""The chart whose keys `milvus_values` was checked against (tests/components/milvus-chart-5.0.19.keys)."""
