"""Who may log in to Milvus besides root."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from stacks.settings.group import Group

_TENANT = re.compile(r"[a-z][a-z0-9]{0,30}")
_MOST_TENANTS = 30  # three users each, and Milvus has 100 at most


def _tenant(value: str) -> str:
    if not _TENANT.fullmatch(value):
        raise ValueError("is part of the names of a database, users and Secrets: a letter, then at most 30 lower-case letters and digits")
    if value in {"default", "root", "search", "ingest", "admin"}:
        raise ValueError("is a name that Milvus or the default database's users have already")
    return value


class AccessSettings(Group):
    """Who may log in to Milvus besides root; only where it asks (`milvus.authentication`)."""

    tenants: tuple[Annotated[str, AfterValidator(_tenant)], ...] = Field(
        default=(),
        max_length=_MOST_TENANTS,
        description="databases besides the default one, each with users to search, ingest and administer",
        examples=['\'["sales", "legal"]\''],
    )
    password_generation: int = Field(
        default=1, ge=1, le=1_000_000, description="raise it by one for new passwords of all these users", examples=[2]
    )

    @field_validator("tenants")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("names a tenant twice")
        return value
