"""What all groups of settings share: no unknown key, no change after reading."""

from pydantic import BaseModel, ConfigDict


class Group(BaseModel):
    """A group of settings; an unknown key is refused, since a typing error would be silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)
