"""Ask registries and repositories, over TLS: which digest a name stands for, and the archive of a chart.

Credentials are those of `docker login` (config.json and its credential helpers); without one it asks anonymously. The digest is computed
from the manifest that came, and compared with the one the registry says. Refuses plain HTTP: a digest is worth what the way to it is worth.
"""

import base64
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import requests
from dxf import DXF, DXFBase, exceptions

from stacks.images import HUB, ImageReference
from stacks.problems import UnansweredError, failure

TIMEOUT_S = 30
_HUB_API = "registry-1.docker.io"
_HUB_LOGIN = "https://index.docker.io/v1/"
_HTTP = {
    404: "answers 404: there is no such name or tag there; cure: check the spelling, or mirror it first (./rag images)",
    **{code: f"answers {code}: this account may not read it; cure: docker login {{host}}, with an account that may" for code in (401, 403)},
}


@dataclass(frozen=True, kw_only=True)
class Access:
    """How registries are reached."""

    ca_bundle: str  # file with every authority that is trusted
    docker_config: Path  # config.json of `docker login`; it need not exist


@contextmanager
def opened(private_ca: str | None) -> Iterator[Access]:
    """Trust the private authority besides the public ones, which are this shell's where it names some."""
    public = os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where()
    with tempfile.NamedTemporaryFile("w", suffix=".crt") as bundle:
        for path in (public, *([private_ca] if private_ca is not None else [])):
            bundle.write(Path(path).expanduser().read_text(encoding="utf-8") + "\n")
        bundle.flush()
        docker_config = Path(os.environ.get("DOCKER_CONFIG", "~/.docker")).expanduser() / "config.json"
        yield Access(ca_bundle=bundle.name, docker_config=docker_config)


def digest_of(image: ImageReference, access: Access) -> str:
    """Return sha256:... of what is under that name, of the index for several platforms; UnansweredError with the cure."""
    if not image.digest and not image.tag:
        raise UnansweredError(f"{image.text} has neither a tag nor a digest")
    manifest = _manifest(image, access)
    computed = f"sha256:{hashlib.sha256(manifest.content).hexdigest()}"
    claimed = manifest.headers.get("Docker-Content-Digest", computed)
    if claimed != computed or (image.digest is not None and image.digest != computed):
        raise failure("manifest_changed", UnansweredError, image=image.text, computed=computed, claimed=claimed)
    return computed


def pull_layer(image: ImageReference, media_type: str, access: Access) -> bytes:
    """Return the one layer of that type, checked against its digest. Raises UnansweredError."""
    manifest = json.loads(_manifest(image, access).content)
    digests = [layer["digest"] for layer in manifest.get("layers", []) if layer.get("mediaType") == media_type]
    if len(digests) != 1:
        raise UnansweredError(f"{image.text} is there, but holds {len(digests)} layers of type {media_type}: it is no chart")
    with _translated(image):
        return b"".join(_client(image, access).pull_blob(digests[0]))  # type: ignore[arg-type]  # without `size` it is the bytes alone


def get(url: str, access: Access) -> bytes:
    """Return what a repository answers; UnansweredError."""
    try:
        answer = requests.get(url, timeout=TIMEOUT_S, verify=access.ca_bundle)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise UnansweredError(f"{url}: {_meaning(error, urlsplit(url).netloc)}") from None
    return answer.content


def _manifest(image: ImageReference, access: Access) -> requests.Response:
    with _translated(image):
        return _client(image, access).get_manifest_and_response(image.digest or image.tag or "")[1]


def _client(image: ImageReference, access: Access) -> DXF:
    def authenticate(client: DXFBase, response: requests.Response) -> None:
        user, password = credential_for(image.registry, access.docker_config)
        client.authenticate(user, password, response=response)

    host = _HUB_API if image.registry == HUB else image.registry
    return DXF(host, image.repository, authenticate, tlsverify=access.ca_bundle, timeout=TIMEOUT_S)


def credential_for(registry: str, config: Path) -> tuple[str | None, str | None]:
    """Return name and password for a registry as `docker login` left them; None, None without."""
    content = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    server = _HUB_LOGIN if registry == HUB else registry
    helper = content.get("credHelpers", {}).get(server, content.get("credsStore"))
    entry = content.get("auths", {}).get(server, {}).get("auth")
    if entry:
        user, _, password = base64.b64decode(entry).decode().partition(":")
        return user, password
    if not helper:
        return None, None
    command = [f"docker-credential-{helper}", "get"]
    try:
        ended = subprocess.run(command, input=server, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    except FileNotFoundError:
        raise UnansweredError(f"config.json of docker names the helper {command[0]}, and it is not on PATH") from None
    except subprocess.SubprocessError:
        return None, None  # the helper knows nothing of this registry
    answer = json.loads(ended.stdout)
    return answer["Username"], answer["Secret"]


@contextmanager
def _translated(image: ImageReference) -> Iterator[None]:
    host = image.registry
    try:
        yield
    except exceptions.DXFUnauthorizedError:
        raise UnansweredError(f"{image.text}: {host} answers 401: it wants another name or password; cure: docker login {host}") from None
    except exceptions.DXFError as error:
        raise UnansweredError(f"{image.text}: {host} does not answer as a registry does: {error}") from None
    except requests.RequestException as error:
        raise UnansweredError(f"{image.text}: {_meaning(error, host)}") from None


def _meaning(error: requests.RequestException, host: str) -> str:
    """Return what an HTTP failure means for somebody who wants to pin, with the cure."""
    if isinstance(error, requests.exceptions.SSLError):
        return f"the certificate of {host} is not trusted: {_root_of(error)}; cure: name its CA in registry.ca_file"
    if isinstance(error, requests.exceptions.Timeout):
        return f"{host} did not answer within {TIMEOUT_S} s; cure: check the way to it, or name a mirror in registry.mirrors"
    if isinstance(error, requests.exceptions.ConnectionError):
        return f"{host} cannot be reached: {_root_of(error)}; cure: check the name and the way to it, or name a mirror in registry.mirrors"
    code = error.response.status_code if error.response is not None else 0
    return f"{host} " + _HTTP.get(code, f"answers {code}; cure: try again, then ask whoever runs it").format(host=host)


def _root_of(error: BaseException) -> str:
    """Return the innermost reason: what is around it only says that something failed."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    inner = reason if isinstance(reason, BaseException) else error.__cause__
    return _root_of(inner) if inner is not None and inner is not error else str(error.args[-1] if error.args else error)
