"""The whole program: read the settings, build what they ask for, export where it can be reached."""

import pulumi

from stacks import blueprint, cluster, environments

chosen, provider = environments.of_running_stack(), pulumi.Config("kubernetes")
cluster.require_same_provider(chosen, pulumi.get_stack(), provider.get("context"), provider.get("kubeconfig"))
endpoints = blueprint.build(chosen)
for name, value in vars(endpoints).items():
    pulumi.export(name, value)
