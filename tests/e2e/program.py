"""A small Pulumi project of its own for a test, on a backend of its own, with the real CLI."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.places import REPOSITORY

_NAME = "test-program"
_LONGEST_S = 300


class Program:
    """A project with one stack; the program's text reads `config`, which may be given by whole keys."""

    def __init__(
        self, home: Path, shell: Mapping[str, str], source: str, config: Mapping[str, Any], *, name: str = _NAME, stack: str = "test"
    ) -> None:
        self.home, self.name, self.stack = home, name, stack
        self.config_file = home / f"Pulumi.{stack}.yaml"
        runtime = {"name": "python", "options": {"virtualenv": str(REPOSITORY / ".venv")}}
        (home / "Pulumi.yaml").write_text(json.dumps({"name": name, "runtime": runtime}))
        (home / "__main__.py").write_text(source)
        (home / "backend").mkdir()
        (home / "passphrase").write_text("of this test")
        own = {"PULUMI_BACKEND_URL": f"file://{home / 'backend'}", "PULUMI_CONFIG_PASSPHRASE_FILE": str(home / "passphrase")}
        unwanted = {"PULUMI_OPTION_CONFIG_FILE", "PULUMI_STACK"}
        self.environment = {key: value for key, value in {**os.environ, **shell, **own}.items() if key not in unwanted}
        self.environment["PYTHONPATH"] = str(REPOSITORY)
        self.config_file.write_text(json.dumps({"config": {self._whole(key): value for key, value in config.items()}}))
        self.pulumi("stack", "init", stack)

    def _whole(self, key: str) -> str:
        return key if ":" in key else f"{self.name}:{key}"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Run `pulumi` and do not wait for it."""
        command = ["pulumi", *arguments, "--stack", self.stack] if arguments[0] != "stack" else ["pulumi", *arguments]
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
        return subprocess.Popen(command, cwd=self.home, env=self.environment, stdin=subprocess.DEVNULL, **streams)

    def configure(self, key: str, value: Any) -> None:
        """Set one key of `config`."""
        whole = yaml.safe_load(self.config_file.read_text())
        whole["config"][self._whole(key)] = value
        self.config_file.write_text(yaml.safe_dump(whole))

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        """Run `pulumi` to its good end, or to a bad one that is expected, and give what it printed."""
        process = self.start(*arguments)
        try:
            said = process.communicate(timeout=_LONGEST_S)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said = f"{process.communicate()[0]}\nkilled after {_LONGEST_S} s"
        assert (process.returncode != 0) is fails, said
        return said

    def state(self) -> str:
        """The state as it lies on the disk."""
        return (self.home / "backend" / ".pulumi" / "stacks" / self.name / f"{self.stack}.json").read_text()
