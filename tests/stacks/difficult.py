"""The environment "difficult", which uses every setting of the platform at once; in tests alone, so it has no file among the user's own."""

import functools
import json
from pathlib import Path
from typing import Any

import yaml

from stacks.environments import Environment
from stacks.settings import parse

FILE = Path(__file__).parent / "golden" / "Pulumi.difficult.yaml"


@functools.cache
def environment() -> Environment:
    configured: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["config"]
    texts = {key: json.dumps(value) if isinstance(value, dict | list) else value for key, value in configured.items()}
    return Environment(name="difficult", settings=parse(texts), source=FILE, example=False)
