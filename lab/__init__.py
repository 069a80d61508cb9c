"""One machine standing in for the data centre: Kubernetes, an S3 store, images and the tools that build them.

`python3 -m lab` starts with the standard library alone and continues in the virtual environment that it made.
Nothing outside this package imports it, and it imports nothing of ours.
"""
