"""Two small stand-ins that let a real Pulumi CLI run where its official language host and kubernetes plugin cannot be had.

Owns: the Python language host (`language.py`), the kubernetes resource plugin (`kubernetes/`) and laying both out (`install.py`).
Refuses to do more than the stacks need: no Chart, ConfigGroup, Kustomize, no invokes, no code generation. What they do, they do like
the official ones, so that a program which runs here runs there: the end-to-end test of this folder passes with either.
"""
