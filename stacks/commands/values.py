"""Print the values that the Milvus chart gets, as YAML on standard output and nothing else.

What only a running system knows is a placeholder such as `<known after pulumi up>`; there is never a key among the values.

For example:

    ./rag values prod > values.yaml

    ./rag values prod | helm template milvus CHART --namespace rag --values -
"""

from stacks.commands import EnvironmentName, select
from stacks.yaml_files import dump


def run(environment: EnvironmentName) -> None:
    """Print the chart values of one environment."""
    selected = select(environment)
    from stacks import rendering

    print(dump(rendering.release(selected).values), end="")
