"""The key to look with: from a Secret, from files as a pod mounts a Secret, or from an AWS profile. Never from argv."""

from contextlib import closing
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError

from validation.clients import kube
from validation.clients.documents import Credential
from validation.judge.errors import UsageError

_FILES = ("access_key", "secret_key")


def from_secret(reference: str) -> Credential:
    """Return the key in Secret NAMESPACE/NAME."""
    namespace, _, name = reference.partition("/")
    if not namespace or not name:
        raise UsageError(f"--secret {reference} names no Secret; write NAMESPACE/NAME, see what there is with: kubectl get secrets -A")
    with closing(kube.connect()) as kubernetes:
        return kubernetes.credential(namespace, name)


def from_config_map(namespace: str, name: str) -> str:
    """Return the private CA in a ConfigMap; no secret, but it lies beside one."""
    with closing(kube.connect()) as kubernetes:
        return kubernetes.certificate_authority(namespace, name)


def from_directory(directory: Path) -> Credential:
    """Return the key in the files `access_key` and `secret_key`."""
    try:
        access_key, secret_key = (directory.joinpath(name).read_text(encoding="utf-8").strip() for name in _FILES)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"--credential-dir {directory}: {error}; it must hold the files access_key and secret_key, as a pod mounts the Secret"
        ) from None
    if not access_key or not secret_key:
        raise UsageError(f"--credential-dir {directory}: access_key or secret_key is empty; deploy the Secret again: pulumi up")
    return Credential(access_key=access_key, secret_key=secret_key)


def from_profile(name: str) -> Credential:
    """Return the key of an AWS profile."""
    try:
        found = boto3.Session(profile_name=name).get_credentials()
    except BotoCoreError as error:
        raise UsageError(f"AWS profile {name}: {error}; make it with: aws configure --profile {name}") from None
    if found is None or not found.access_key or not found.secret_key:
        raise UsageError(f"AWS profile {name} holds no key; make one with: aws configure --profile {name}")
    return Credential(access_key=found.access_key, secret_key=found.secret_key)
