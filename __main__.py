"""The whole program: read the settings, build what they ask for, export where it can be reached."""

import pulumi

from stacks import blueprint, cluster, neighbours, pins, settings

chosen, environment, provider = settings.load(), pulumi.get_stack(), pulumi.Config("kubernetes")
cluster.require_same_provider(chosen, environment, provider.get("context"), provider.get("kubeconfig"))
neighbours.refuse_shared(chosen, environment)
endpoints = blueprint.build(pins.for_up(chosen, environment))
for name, value in vars(endpoints).items():
    pulumi.export(name, value)
