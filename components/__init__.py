"""How to make one thing: one Pulumi component in each file. Components get values; they never read configuration or an environment."""

from components import former_paths

former_paths.register()
