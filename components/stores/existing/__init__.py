"""A bucket and a Secret that are there already: nothing is made on the store, everything is checked.

For a store that somebody else administers: they hand over a bucket and a key as a Kubernetes Secret with `access_key` and
`secret_key`. Pods can only read Secrets of their own namespace, which the stack makes, so the key is copied there. Rotation: change
the Secret, then raise `credential_generation`; revoking the old key is up to whoever made it.
"""

from components.stores.existing.credential import Place
from components.stores.existing.store import ExistingStore

__all__ = ["ExistingStore", "Place"]
