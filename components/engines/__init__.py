"""How each engine is run as a model service: settings into a container's arguments and environment. Pure, one file an engine.

What the documentation of an engine says of flags, paths and variables, and where, is in docs/models.md.
"""
