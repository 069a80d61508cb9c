"""A bucket and its keys through COSI (`objectstorage.k8s.io/v1alpha1`), as HPE's driver takes it: dynamic resources on Kubernetes' API.

Strictly one after another: class, claim, access class, access, and the second bucket after all of the first one. An access whose
claim is not ready yet is recorded as a failure by COSI, and two objects that are made at once can fail in HPE's driver (its release
notes, also of 2.0.0). COSI names the bucket itself, and gives its user every right on it and on nothing else. A plug-in: nothing
imports it but who chooses it.
"""

from components.stores.cosi.manifests import Backend
from components.stores.cosi.store import CosiStore

__all__ = ["Backend", "CosiStore"]
