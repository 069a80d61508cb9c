"""The operator's account of docs/rbac.yaml, for real: applied to the lab's cluster, with a kubeconfig that has just its token."""

import re
from pathlib import Path

import yaml

from lab.places import KUBECONFIG
from tests.e2e.lab import Lab


def kubeconfig(lab: Lab, namespace: str, folder: Path, *more: str) -> Path:
    """Apply the manifest for `namespace`, and `more`, and return a kubeconfig of its ServiceAccount."""
    manifest = folder / "rbac.yaml"
    texts = [Path(each).read_text(encoding="utf-8") for each in ("docs/rbac.yaml", *more)]
    manifest.write_text(re.sub(r"\brag\b", namespace, "---\n".join(texts)))
    applied = lab.run("kubectl", "apply", "-f", str(manifest))
    assert applied.code == 0, applied.output
    made = lab.run("kubectl", "-n", f"{namespace}-operator", "create", "token", f"{namespace}-operator", "--duration", "1h")
    assert made.code == 0, made.output
    whole = yaml.safe_load(KUBECONFIG.read_text())
    (user,) = whole["users"]
    user["user"] = {"token": made.output.strip()}
    target = folder / "operator.kubeconfig"
    target.touch(mode=0o600)
    target.write_text(yaml.safe_dump(whole))
    return target


def remove(lab: Lab, namespace: str) -> None:
    """Remove what lies outside the namespace, and the namespace where the stack did not come so far as to own it."""
    lab.run("kubectl", "delete", "namespace", namespace, f"{namespace}-operator", "--ignore-not-found", "--wait=false")
    names = (f"{namespace}-operator", f"{namespace}-operator-cosi")
    lab.run("kubectl", "delete", "clusterrole,clusterrolebinding", *names, "--ignore-not-found")
    policies = (f"{namespace}-pod-security", f"{namespace}-pods")
    kinds = "validatingadmissionpolicybinding,validatingadmissionpolicy"
    lab.run("kubectl", "delete", kinds, *policies, "--ignore-not-found")
