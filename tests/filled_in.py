"""An example's settings as a user would fill them in: addresses that could be somebody's, and a certificate that a machine may have."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests import certificates


def configuration(environment: str, folder: Path) -> dict[str, Any]:
    """Return `config` of stacks/Pulumi.ENVIRONMENT.yaml without placeholders; the certificate is made in `folder`."""
    ca = certificates.make(folder, "filled-in-ca").crt_file
    text = json.dumps(yaml.safe_load(Path(f"stacks/Pulumi.{environment}.yaml").read_text(encoding="utf-8"))["config"])
    found: dict[str, Any] = json.loads(text.replace("example.net", "corp.internal").replace("stacks/example-ca.crt", str(ca)))
    return found
