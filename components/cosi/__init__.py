"""A bucket and its keys through COSI (`objectstorage.k8s.io/v1alpha1`), as HPE's driver takes it: dynamic providers on Kubernetes' API.

Strictly one after another: class, claim, access class, access, and the second bucket after all of the first one. An access whose
claim is not ready yet is recorded as a failure by COSI, and two objects that are made at once can fail in HPE's driver (its release
notes, also of 2.0.0). COSI names the bucket itself, and gives its user every right on it and on nothing else.
The state of a stack names the providers by import path, so these modules must not be renamed.
"""
