"""The preflight: is this object store, with this key, one that Milvus can live on? Asked before Milvus is installed.

One question a file in `questions/`; each adds findings to the record, and the record decides the verdict.
"""
