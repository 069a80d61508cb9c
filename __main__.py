"""The whole program: read the settings, build what they ask for, export where it can be reached."""

import pulumi

from stacks import blueprint, environments
from stacks.operations import cluster
from stacks.problems import SettingsError

stack, provider = pulumi.get_stack(), pulumi.Config("kubernetes")
try:
    settings = environments.of_program(stack, pulumi.runtime.config.CONFIG.get() or pulumi.runtime.get_config_env())
    cluster.require_same_provider(settings, stack, provider.get("context"), provider.get("kubeconfig"))
    cluster.require_own_namespace(settings, stack, may_take_over=provider.get_bool("upsertExistingObjects") or False)
    endpoints = blueprint.build(settings)
except SettingsError as error:
    raise pulumi.RunError(str(error)) from None  # which Pulumi prints without a traceback
for name, value in endpoints.items():
    pulumi.export(name, value)
