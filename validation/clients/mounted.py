"""Secrets and authorities from files instead of the Kubernetes API, for a service that users reach: it needs no token of the cluster."""

from pathlib import Path

from validation.clients.kube import Cluster
from validation.judge.errors import UsageError


class Mounted(Cluster):
    """The part of a Cluster that clients are opened with; DIR holds a folder for each Secret and ConfigMap, with a file for each key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def close(self) -> None:
        """Close nothing: there is no connection."""

    def address(self, url: str) -> str:
        """Return `url`: names of Services resolve in a pod."""
        return url

    def certificate_authority(self, namespace: str, name: str) -> str:
        """Return the PEM text under `ca.crt` in the folder of a ConfigMap."""
        return self._secret(namespace, name, "ca.crt")[0]

    def last_words(self, _url: str) -> str:
        """Return nothing: only the Kubernetes API knows."""
        return ""

    def _secret(self, _namespace: str, name: str, *keys: str, cure: str = "; deploy again: pulumi up") -> list[str]:
        paths = [self._folder / name / key for key in keys]
        try:
            return [path.read_text(encoding="utf-8") for path in paths]
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{self._folder / name}: cannot be read ({error}){cure}") from None
