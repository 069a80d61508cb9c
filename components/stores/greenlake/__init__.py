"""A bucket and its users on an X10000 through the HPE GreenLake Object Storage REST API (`v1alpha1`): dynamic resources on httpx.

An answer may be lost, a token may expire, a task may take its time or fail, a run may be killed between two calls: what was begun is
found again by its name and completed, and nothing is made twice. Users and policies carry no tags there, so their names tell whose
they are: they end with a hash of the owner's mark. The API client's id and secret are in no setting and no state: see `login`.
"""

from components.stores.greenlake.store import GreenLakeStore
from components.stores.greenlake.system import GreenLakeSystem

__all__ = ["GreenLakeStore", "GreenLakeSystem"]
