"""Which generations of a credential are valid: how a key is changed without an outage. Pure.

A rotation is two steps of the same declaration, and between them two credentials are valid, each with a user of its own, so that it
works also on a store whose users have one key only:

1. `current` + 1: a second user with its own key is made beside the first one, the Secret is switched to it and the pods are rolled.
2. `revoked` = the old one, once the new key was seen in use: the old user is deleted, and the store refuses its key from then on.

A run that is killed in between is completed by the next one; both users are in the state until the second step is done.
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
            raise ValueError(
                f"generations {self.revoked + 1} to {self.current} would be valid at once, and a store allows {_MOST}: "
                f"revoke up to {self.current - _MOST} first, in a run of its own"
            )

    def valid(self) -> list[int]:
        """The newest last."""
        return list(range(self.revoked + 1, self.current + 1))


def suffixed(name: str, generation: int) -> str:
    """Name of a generation's resource: the first one has the bare name."""
    return name if generation == 1 else f"{name}-{generation}"
