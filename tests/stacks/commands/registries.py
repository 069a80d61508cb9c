"""A real registry (Distribution) over TLS with a private CA and a password, and a Helm repository beside it."""

import base64
import hashlib
import http.server
import io
import json
import os
import ssl
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from dxf import DXF, DXFBase

from lab import toolchain
from lab.steps import Steps
from tests import certificates
from tests.s3_server import free_port, wait_for

USER, PASSWORD = "puller", "made-up-password"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CHART_VERSION = "5.0.19"
CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


@dataclass(frozen=True)
class Registry:
    """A registry that runs."""

    host: str
    root: Path
    """With `tls.crt`, which is its CA, and `docker/config.json`."""

    def client(self, repository: str) -> DXF:
        def login(client: DXFBase, response: Any) -> None:
            client.authenticate(USER, PASSWORD, response=response)

        return DXF(self.host, repository, login, tlsverify=str(self.root / "tls.crt"))

    def push(self, repository: str, tag: str, content: bytes = b"layer", layer_type: str = "application/octet-stream") -> str:
        """Push an image of one layer; gives the digest of its manifest."""
        client = self.client(repository)
        blobs = [self._blob(client, data) for data in (b"{}", content)]
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **blobs[0]},
            "layers": [{"mediaType": layer_type, **blobs[1]}],
        }
        return self._manifest(client, tag, manifest)

    def push_index(self, repository: str, tag: str) -> str:
        """Push an image of two platforms; gives the digest of its index."""
        entries = [
            {
                "mediaType": MANIFEST,
                "digest": self.push(repository, platform, platform.encode()),
                "size": 1,
                "platform": {"os": "linux", "architecture": platform},
            }
            for platform in ("amd64", "arm64")
        ]
        return self._manifest(self.client(repository), tag, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})

    def _blob(self, client: DXF, content: bytes) -> dict[str, Any]:
        path = self.root / "blob"
        path.write_bytes(content)
        return {"digest": client.push_blob(str(path)), "size": len(content)}

    def _manifest(self, client: DXF, tag: str, manifest: dict[str, Any]) -> str:
        text = json.dumps(manifest)
        client.set_manifest(tag, text)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@contextmanager
def registry(root: Path) -> Iterator[Registry]:
    """Run a registry in `root`."""
    steps = Steps(log=root / "build.log")
    command = str(toolchain.built("registry", toolchain.go_command(steps), steps) / "registry")
    ca_pem, port = certificates.make(root).pem, free_port()
    made = subprocess.run([command, "htpasswd", USER], input=f"{PASSWORD}\n", capture_output=True, text=True, check=True)
    (root / "htpasswd").write_text(made.stdout)
    login(root / "docker", f"127.0.0.1:{port}", PASSWORD)
    (root / "config.yml").write_text(yaml.safe_dump(_configuration(root, port)))
    with (root / "registry.log").open("w") as log:
        process = subprocess.Popen(
            [command, "serve", str(root / "config.yml")], stdout=log, stderr=log, env={**os.environ, "OTEL_TRACES_EXPORTER": "none"}
        )
        try:
            wait_for(port, ca_pem)
            yield Registry(f"127.0.0.1:{port}", root)
        finally:
            process.terminate()
            process.wait()


def _configuration(root: Path, port: int) -> dict[str, Any]:
    return {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(root / "store")}},
        "http": {"addr": f"127.0.0.1:{port}", "tls": {"certificate": str(root / "tls.crt"), "key": str(root / "tls.key")}},
        "auth": {"htpasswd": {"realm": "test", "path": str(root / "htpasswd")}},
    }


def login(folder: Path, host: str, password: str) -> None:
    """Write what `docker login` would."""
    folder.mkdir(exist_ok=True)
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def chart_archive() -> bytes:
    """Pack the lab's chart as `helm package` does, under a version that an official one has."""
    packed, described = (
        io.BytesIO(),
        Path("lab/chart/milvus/Chart.yaml").read_text().replace("version: 0.1.0", f"version: {CHART_VERSION}", 1),
    )
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add("lab/chart/milvus", arcname="milvus", filter=lambda member: None if member.name.endswith("Chart.yaml") else member)
        member = tarfile.TarInfo("milvus/Chart.yaml")
        member.size = len(described.encode())
        archive.addfile(member, io.BytesIO(described.encode()))
    return packed.getvalue()


@contextmanager
def helm_repository(root: Path, content: bytes, digest: str) -> Iterator[str]:
    """Serve an index with one chart over the TLS certificate in `root`; gives the URL."""
    folder = root / "charts"
    folder.mkdir(exist_ok=True)
    (folder / f"milvus-{CHART_VERSION}.tgz").write_bytes(content)
    index = {
        "apiVersion": "v1",
        "entries": {"milvus": [{"name": "milvus", "version": CHART_VERSION, "digest": digest, "urls": [f"milvus-{CHART_VERSION}.tgz"]}]},
    }
    (folder / "index.yaml").write_text(yaml.safe_dump(index))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(root / "tls.crt", root / "tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name of the base class
        pass
