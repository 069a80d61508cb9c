"""Who may reach Milvus from outside the cluster, and who may log in besides root."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from stacks.settings.group import Group
from stacks.settings.tenancy import Cidr

_TENANT = re.compile(r"[a-z][a-z0-9]{0,30}")
_MOST_TENANTS = 30  # three users each, and Milvus has 100 at most


def _tenant(value: str) -> str:
    if not _TENANT.fullmatch(value):
        raise ValueError("is part of the names of a database, users and Secrets: a letter, then at most 30 lower-case letters and digits")
    if value in {"default", "root", "search", "ingest", "admin"}:
        raise ValueError("is a name that Milvus or the default database's users have already")
    return value


class AccessSettings(Group):
    """Who may reach Milvus, and log in to it besides root."""

    tenants: tuple[Annotated[str, AfterValidator(_tenant)], ...] = Field(
        default=(),
        max_length=_MOST_TENANTS,
        description="databases besides the default one, each with users to search, ingest and administer; needs milvus.authentication",
        examples=['\'["sales", "legal"]\''],
    )
    client_cidrs: tuple[Cidr, ...] = Field(
        default=(),
        description="addresses outside the cluster from which clients may reach Milvus's port 19530; without them only labelled namespaces",
        examples=["'[\"10.20.0.0/16\"]'"],
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
