"""What the end-to-end tests know of the lab: how to bring it up as an operator does, and how to ask it things."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from lab import process_tree, project
from lab.places import REPOSITORY

STORY = "E2E_LAB_STORY"
"""Environment variable with the file that says how `tests.e2e.run` brought the lab up."""

MID_UP = re.compile(r"kubernetes:helm.sh/v3:Release milvus-release (creat|updat)ing")
"""What `pulumi up` says while Helm installs Milvus: the worst moment to be stopped."""


@dataclass(frozen=True)
class Ended:
    """A command that ended: its exit code and all it printed."""

    code: int
    output: str


UPS = ("begun", "interrupted", "killed", "brought_up")
"""Fields of a lab that was not there: how each `./rag up` ended."""
LOGS = REPOSITORY / "build" / "e2e"
_PATIENCE_S, _POLL_S = 600, 0.02
BEGIN = (sys.executable, "-m", "lab", "up", "--no-gate")
UP = ("make", "up", f"PYTHON={sys.executable}")


@dataclass(frozen=True)
class Up:
    """A `./rag up` under way, in a session of its own."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @classmethod
    def start(cls, title: str, command: Sequence[str]) -> "Up":
        log = LOGS / f"make-up-{title.replace(' ', '-')}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as printed:
            process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_heed_ctrl_c,  # noqa: PLW1509  no thread of ours holds a lock
            )
        return cls(process, log)

    def wait(self, stop: signal.Signals | None = None, at: re.Pattern[str] = MID_UP) -> Ended:
        """Return how it ended; with `stop`, send that to it once it has printed `at`, and return as soon as it is gone itself."""
        while self.process.poll() is None:
            time.sleep(0.2)
            if stop is not None and at.search(self.log.read_text()):
                self.stop(stop)
        return Ended(self.process.returncode, self.log.read_text())

    def stop(self, how: signal.Signals) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, how)
            self.process.wait()


@dataclass
class Lab:
    """The lab of this machine; `say` tells what takes long."""

    say: Callable[[str], None]
    was_up: bool = field(default_factory=lambda: process_tree.running() is not None)
    begun: Ended | None = None
    tree: dict[str, Any] | None = None
    """The process tree as the first `./rag up` left it, where a second one went on from there."""
    interrupted: Ended | None = None
    killed: Ended | None = None
    brought_up: Ended | None = None
    gone: bool = False
    shell: dict[str, str] = field(default_factory=dict)
    beginning: Up | None = None

    def begin(self) -> None:
        """Start `./rag up --no-gate`, most of which is waiting, beside what follows; nothing where a lab is up."""
        if not self.was_up:
            self.beginning = self._start_up("begun", BEGIN)

    def wait_until_begun(self) -> None:
        """Wait for the end of what `begin` started."""
        if self.beginning is not None:
            self.begun, self.tree = self._wait("begun", self.beginning), process_tree.running()

    def bring_up(self, *, stopped_before: bool) -> None:
        """`./rag up` to its verdict; with `stopped_before` after two that end in the middle, by Ctrl-C and by a kill."""
        if stopped_before:
            self.interrupted = self._make_up("interrupted", stop=signal.SIGINT)
            self.killed = self._make_up("killed", stop=signal.SIGKILL)
        self.brought_up = self._make_up("left alone")

    def tell(self, file: Path) -> None:
        """Write down how the lab came up, for tests in other processes."""
        ups = {name: asdict(ended) for name in UPS if (ended := getattr(self, name))}
        file.write_text(json.dumps({"ups": ups, "tree": self.tree}))

    @classmethod
    def told(cls, say: Callable[[str], None], file: Path) -> "Lab":
        """Return the lab that another process brought up, and will take down."""
        story = json.loads(file.read_text())
        ups = {name: Ended(**ended) for name, ended in story["ups"].items()}
        found = cls(say, was_up=not ups, tree=story["tree"])
        for name, ended in ups.items():
            setattr(found, name, ended)
        return found

    def _make_up(self, title: str, stop: signal.Signals | None = None) -> Ended:
        """Run `./rag up`; with `stop`, send that to it once Helm installs Milvus, and return as soon as it is gone itself."""
        return self._wait(title, self._start_up(title, UP), stop)

    def _start_up(self, title: str, command: Sequence[str]) -> Up:
        up = Up.start(title, command)
        self.say(f"./rag up, {title}: tail -f {up.log}")
        return up

    def _wait(self, title: str, up: Up, stop: signal.Signals | None = None) -> Ended:
        ended = up.wait(stop)
        self.say(f"./rag up, {title}: ended with {ended.code}")
        return ended

    def take_down(self) -> Ended:
        """`./rag down`, once, after the end of a `./rag up` that is still under way."""
        if self.gone:
            return Ended(0, "")
        self.gone = True
        if self.beginning is not None:
            self.beginning.stop(signal.SIGINT)
        return run(["make", "down", f"PYTHON={sys.executable}"])

    def environment(self) -> dict[str, str]:
        """Return the environment of a shell that did eval "$(./rag env)", once."""
        if not self.shell:
            said = run(["./rag", "env"]).output
            exported = dict(re.findall(r"^export (\w+)=(.*)$", said, re.MULTILINE))
            self.shell = {**os.environ, **{name: shlex.split(value)[0] for name, value in exported.items()}}
        return self.shell

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> Ended:
        """Run a command as in the lab's shell."""
        return run(command, {**self.environment(), **(environment or {})})

    def output(self, *command: str) -> str:
        """Return what a command says that must succeed."""
        ended = self.run(*command)
        assert ended.code == 0, ended.output
        return ended.output

    def kubectl(self, *arguments: str) -> Any:
        """Return what kubectl says, as data."""
        return json.loads(self.run("kubectl", *arguments, "-o", "json").output)

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of the stack `lab`."""
        found: dict[str, Any] = json.loads(self.run("pulumi", "stack", "output", "--json", "--stack", "lab").output)
        return found

    def gate(self, *arguments: str) -> Ended:
        """Run the gate as an operator does."""
        return self.run(sys.executable, "-m", "validation", "run", *arguments)

    def pulumi(self, stack: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
        """Run `pulumi` on a stack with the configuration that the lab keeps for it."""
        chosen = {"PULUMI_OPTION_CONFIG_FILE": str(project.config_file(stack)), "PULUMI_STACK": stack, **(environment or {})}
        return self.run("pulumi", *arguments, "--stack", stack, environment=chosen)


def _heed_ctrl_c() -> None:
    """Undo what a shell does to a command in the background: it ignores Ctrl-C, and so would all its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def without_models(namespace: str) -> dict[str, Any]:
    """Return the configuration of a stack like the lab's in another namespace, whose models are external, so that they take no time."""
    facts: dict[str, Any] = yaml.safe_load(project.config_file(project.STACK).read_text())["config"]
    external = {"engine": "external", "external": {"url": "https://models.corp.internal/v1"}}
    images = facts[f"{project.PROJECT}:images"]
    return facts | {
        f"{project.PROJECT}:images": {name: image for name, image in images.items() if name not in {"embedding", "llm"}},
        f"{project.PROJECT}:namespace": namespace,
        f"{project.PROJECT}:embedding": {**external, "model": "e"},
        f"{project.PROJECT}:llm": {**external, "model": "l"},
    }


def killed_at(moment: str | Callable[[], bool], command: Sequence[str], environment: Mapping[str, str], log: Path) -> str:
    """Run a command until it says that or it is so, kill it with all that it started, and return what it said; it must come there."""
    with log.open("w") as printed:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": printed, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, start_new_session=True, **streams)
    deadline = time.monotonic() + _PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        if re.search(moment, log.read_text()) if isinstance(moment, str) else moment():
            break
        time.sleep(_POLL_S)
    with suppress(psutil.NoSuchProcess):
        for each in (psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                each.kill()
    assert process.wait() == -signal.SIGKILL, log.read_text()
    return log.read_text()


def run(command: Sequence[str], environment: Mapping[str, str] | None = None, cwd: Path = REPOSITORY) -> Ended:
    """Run a command to its end, without a terminal."""
    ended = subprocess.run(
        command,
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout)
