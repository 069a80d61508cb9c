"""A Pulumi project with one stack of its own, driven by the `pulumi` and `kubectl` on PATH as an operator drives them."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Stack:
    """One Pulumi project with a stack of its own."""

    folder: Path
    environment: dict[str, str]
    namespace: str
    password: str
    """A secret in its configuration; no two stacks have the same."""

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run one pulumi command; `more` is added to its environment."""
        command = ["pulumi", *arguments, "--non-interactive"]
        return subprocess.run(command, cwd=self.folder, env={**self.environment, **more}, capture_output=True, text=True, check=False)

    def must(self, *arguments: str, **more: str) -> str:
        """Run one that has to succeed; what it said."""
        done = self.run(*arguments, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def up(self, **more: str) -> str:
        """Deploy without asking."""
        return self.must("up", "--yes", "--skip-preview", **more)

    def outputs(self) -> dict[str, Any]:
        """Outputs of the stack."""
        outputs: dict[str, Any] = json.loads(self.must("stack", "output", "--json"))
        return outputs

    def state(self) -> str:
        """Everything in the backend, as text."""
        backend = Path(self.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))
        return "".join(path.read_text(errors="replace") for path in backend.rglob("*") if path.is_file())

    def kubectl(self, *arguments: str) -> str:
        """Do something behind Pulumi's back."""
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout
