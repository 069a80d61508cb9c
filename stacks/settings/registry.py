"""Registries: where images are really pulled from, and whom to trust there. Credentials are the ones of `docker login`."""

from pydantic import Field, field_validator

from stacks.names import CaFile, OperatorsSecret, require_mirrors
from stacks.settings.group import Group


class RegistrySettings(Group):
    """Registries: where images are really pulled from, and whom to trust there."""

    mirrors: dict[str, str] = Field(
        default={},
        description="mirror of each registry, as HOST or HOST/PATH: `make pin` asks it, and pods pull from it",
        examples=['\'{"docker.io": "registry.example.net/dockerhub"}\''],
    )
    ca_file: CaFile | None = Field(
        default=None, description="PEM file of the registries' private CA, besides the public ones", examples=["/etc/ssl/registry-ca.crt"]
    )

    pull_secrets: tuple[OperatorsSecret, ...] = Field(
        default=(),
        description="Secrets of the namespace, of type kubernetes.io/dockerconfigjson, for registries that ask who pulls",
        examples=["'[\"mirror\"]'"],
    )

    @field_validator("mirrors")
    @classmethod
    def _hosts(cls, value: dict[str, str]) -> dict[str, str]:
        return require_mirrors(value)
