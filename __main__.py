"""The whole program: read the settings, build what they ask for, export where it can be reached."""

import pulumi

from stacks import blueprint, neighbours, pins, settings

chosen, environment = settings.load(), pulumi.get_stack()
neighbours.refuse_shared(chosen, environment)
endpoints = blueprint.build(pins.for_up(chosen, environment))
for name, value in vars(endpoints).items():
    pulumi.export(name, value)
