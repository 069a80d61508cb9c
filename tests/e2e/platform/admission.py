"""A mutating admission webhook as strict clusters have them: user ids from a range of the namespace, and a sidecar in every pod.

It stands in for OpenShift's admission (ids) and for a service mesh that heeds no opt-out (sidecar); the API server that asks it is real.
"""

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests import certificates
from tests.e2e.lab import Lab

FIRST_ID, LAST_ID = 1_000_650_000, 1_000_659_999
SIDECAR = "injected-proxy"


def _own_ids(spec: dict[str, Any]) -> set[int]:
    containers = [*spec.get("containers", []), *spec.get("initContainers", [])]
    contexts = [spec.get("securityContext") or {}, *(each.get("securityContext") or {} for each in containers)]
    return {context[key] for context in contexts for key in ("runAsUser", "fsGroup") if key in context}


def review(pod: dict[str, Any], sidecar_image: str) -> tuple[str, list[dict[str, Any]]]:
    """Return why a pod is refused ("" where it is not), and the JSON patch that it gets."""
    spec = pod["spec"]
    outside = sorted(number for number in _own_ids(spec) if not FIRST_ID <= number <= LAST_ID)
    if outside:
        return f"runAsUser: Invalid value: {outside[0]}: must be in the ranges: [{FIRST_ID}, {LAST_ID}]", []
    security = {**(spec.get("securityContext") or {}), "runAsUser": FIRST_ID, "fsGroup": FIRST_ID}
    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    small = {"cpu": "10m", "memory": "16Mi"}
    resources = {"requests": small, "limits": {"memory": "16Mi"}}
    proxy = {"name": SIDECAR, "image": sidecar_image, "securityContext": restricted, "resources": resources}
    return "", [
        {"op": "add", "path": "/spec/securityContext", "value": security},
        {"op": "add", "path": "/spec/containers/-", "value": proxy},
    ]


@contextmanager
def webhook(lab: Lab, host: str, namespace: str, sidecar_image: str, folder: Path) -> Iterator[None]:
    """Serve the webhook on `host`, and have the API server ask it for every pod of `namespace`."""
    made = certificates.make(folder, "webhook", hosts=(host,))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["request"]
            problem, patch = review(asked["object"], sidecar_image)
            response: dict[str, Any] = {"uid": asked["uid"], "allowed": not problem}
            if problem:
                response["status"] = {"message": problem}
            else:
                response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
            body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name of the base class
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.crt_file, made.key_file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    manifest = folder / "webhook.yaml"
    manifest.write_text(json.dumps(_configuration(host, server.server_port, namespace, made.pem)))
    try:
        applied = lab.run("kubectl", "apply", "-f", str(manifest))
        assert applied.code == 0, applied.output
        yield
    finally:
        lab.run("kubectl", "delete", "-f", str(manifest), "--ignore-not-found")
        server.shutdown()
        server.server_close()


def _configuration(host: str, port: int, namespace: str, ca_pem: str) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": f"{namespace}-admission"},
        "webhooks": [
            {
                "name": "strict.example.test",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "clientConfig": {"url": f"https://{host}:{port}/", "caBundle": base64.b64encode(ca_pem.encode()).decode()},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            }
        ],
    }
