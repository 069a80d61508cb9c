"""Which generations of a credential are valid: how a key is changed without an outage. Pure.

A rotation is two steps of the same declaration, each with a user of its own, since a store may allow a user one key only. `current` + 1: a
second user is made, the Secret is switched to its key and the pods are rolled. `revoked` = the old one, once the new key was seen in use:
the old user is deleted. A run that is killed in between is completed by the next one.
"""

from dataclasses import dataclass

_MOST = 2


@dataclass(frozen=True, kw_only=True)
class Generations:
    """Counted from 1; the newest is in use, at most one older one is still valid."""

    current: int = 1  # the one that the Secret carries
    revoked: int = 0  # this one and all before it are refused by the store

    def __post_init__(self) -> None:
        if not self.revoked < self.current:
            raise ValueError(f"generation {self.current} is in use: it cannot be revoked (revoked: {self.revoked})")
        if self.current - self.revoked > _MOST:
            too_many = f"generations {self.revoked + 1} to {self.current} would be valid at once, and a store allows {_MOST}"
            raise ValueError(f"{too_many}: revoke up to {self.current - _MOST} first, in a run of its own")

    def valid(self) -> list[int]:
        """The newest last."""
        return list(range(self.revoked + 1, self.current + 1))


def suffixed(name: str, generation: int) -> str:
    """Name of a generation's resource: the first one has the bare name."""
    return name if generation == 1 else f"{name}-{generation}"
