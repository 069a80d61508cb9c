"""The whole program: read the settings, build what they ask for, export where it can be reached."""

import pulumi

from stacks import blueprint, settings

endpoints = blueprint.build(settings.load())
for name, value in vars(endpoints).items():
    pulumi.export(name, value)
