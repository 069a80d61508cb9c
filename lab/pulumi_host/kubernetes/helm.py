"""Runs `helm`: builds its arguments (pure), feeds it values and passwords through standard input, ends it when the user cancels.

Refuses to put a value or a password on the command line, where every user of the machine could read it.
"""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .cluster import Cluster
from .errors import RefusedError, StandInError
from .wire import Object

DEFAULT_TIMEOUT_S = 300
"""Of helm and of the official plugin."""
TICK_S = 2.0
GRACE_S = 20
"""For helm to mark a cancelled release as failed; killed before that, the release stays `pending` for ever."""

CHART_FLAGS: Mapping[str, str] = {"verify": "--verify", "devel": "--devel", "dependencyUpdate": "--dependency-update"}
CHART_OPTIONS: Mapping[str, str] = {"version": "--version", "keyring": "--keyring"}
UPGRADE_FLAGS: Mapping[str, str] = {
    "atomic": "--atomic",
    "cleanupOnFail": "--cleanup-on-fail",
    "createNamespace": "--create-namespace",
    "disableOpenapiValidation": "--disable-openapi-validation",
    "disableWebhooks": "--no-hooks",
    "forceUpdate": "--force",
    "renderSubchartNotes": "--render-subchart-notes",
    "skipCrds": "--skip-crds",
    "waitForJobs": "--wait-for-jobs",
}
UPGRADE_OPTIONS: Mapping[str, str] = {"description": "--description", "maxHistory": "--history-max", "postrender": "--post-renderer"}
REPOSITORY_FILES: Mapping[str, str] = {"caFile": "--ca-file", "certFile": "--cert-file", "keyFile": "--key-file"}

KNOWN_INPUTS = frozenset(
    {*CHART_FLAGS, *CHART_OPTIONS, *UPGRADE_FLAGS, *UPGRADE_OPTIONS}
    | {"chart", "name", "namespace", "values", "timeout", "skipAwait", "repositoryOpts", "resetValues", "reuseValues"}
    | {"checksum", "resourceNames", "compat"}
)
"""Everything else that the official plugin takes is refused, since leaving it out silently would make another release."""


def repository_url(inputs: Object) -> str:
    """URL of the chart repository, or empty: a path, an OCI reference or a repository that helm knows by name."""
    repository = str((inputs.get("repositoryOpts") or {}).get("repo") or "")
    is_url = bool(urlsplit(repository).scheme and urlsplit(repository).netloc)
    return repository if is_url and not str(inputs["chart"]).startswith("oci://") else ""


def chart_arguments(inputs: Object, added_repository: str = "") -> list[str]:
    """Chart and where it comes from. `added_repository` is the name of one that was added with a password."""
    chart, options = str(inputs["chart"]), inputs.get("repositoryOpts") or {}
    url, named = repository_url(inputs), str(options.get("repo") or "")
    if added_repository:
        where = [f"{added_repository}/{chart}"]
    elif url:
        where = [chart, "--repo", url, *_options(options, REPOSITORY_FILES)]
    elif named and "/" not in chart:
        where = [f"{named}/{chart}", *_options(options, REPOSITORY_FILES)]
    else:
        where = [chart, *_options(options, REPOSITORY_FILES)]
    return [*where, *_flags(inputs, CHART_FLAGS), *_options(inputs, CHART_OPTIONS)]


def upgrade_arguments(inputs: Object, chart: Sequence[str]) -> list[str]:
    """Install or upgrade; values come by standard input. Without `--reset-values` helm would keep old ones when none are given."""
    kept = "--reuse-values" if inputs.get("reuseValues") else "--reset-values"
    wait = [] if inputs.get("skipAwait") else ["--wait"]
    options = [*_flags(inputs, UPGRADE_FLAGS), *_options(inputs, UPGRADE_OPTIONS)]
    timeout = ["--timeout", f"{timeout_s(inputs)}s"]
    return ["upgrade", str(inputs["name"]), *chart, "--install", *_namespace(inputs), "--values", "-", kept, *wait, *timeout, *options]


def template_arguments(inputs: Object, chart: Sequence[str]) -> list[str]:
    """Render without a cluster; values come by standard input."""
    crds = [] if inputs.get("skipCrds") else ["--include-crds"]
    hooks = ["--no-hooks"] if inputs.get("disableWebhooks") else []
    return ["template", str(inputs["name"]), *chart, *_namespace(inputs), "--values", "-", *crds, *hooks]


def uninstall_arguments(inputs: Object) -> list[str]:
    """Uninstall; missing is fine."""
    wait = [] if inputs.get("skipAwait") else ["--wait"]
    return ["uninstall", str(inputs["name"]), *_namespace(inputs), "--ignore-not-found", *wait, "--timeout", f"{timeout_s(inputs)}s"]


def timeout_s(inputs: Object) -> int:
    """Seconds that helm may wait."""
    return int(inputs.get("timeout") or DEFAULT_TIMEOUT_S)


def _namespace(inputs: Object) -> list[str]:
    return ["--namespace", str(inputs["namespace"])]


def _flags(inputs: Object, names: Mapping[str, str]) -> list[str]:
    return [flag for key, flag in names.items() if inputs.get(key)]


def _options(inputs: Object, names: Mapping[str, str]) -> list[str]:
    return [part for key, flag in names.items() if inputs.get(key) not in (None, "") for part in (flag, str(inputs[key]))]


@dataclass(frozen=True)
class Outcome:
    """What helm said."""

    ok: bool
    stdout: str
    error: str
    """Its error lines without the word `Error:`; empty where it had none."""


class Helm:
    """The helm on PATH, aimed at one cluster. `cancelled` ends what runs."""

    def __init__(self, cluster: Cluster, private: Path, cancelled: threading.Event) -> None:
        self._cluster = cluster
        self._private = private
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._logged_in: dict[tuple[str, str, str], str] = {}

    def run(self, arguments: Sequence[str], values: Object | None = None, tick: Callable[[], None] | None = None) -> Outcome:
        """Run to the end; `tick` is called every two seconds meanwhile."""
        text = None if values is None else json.dumps(values, ensure_ascii=False)
        context = self._cluster.settings.context
        return self._execute([*arguments, *(["--kube-context", context] if context else [])], text, tick)

    def chart(self, inputs: Object) -> list[str]:
        """`chart_arguments`, after logging in where the repository wants a password."""
        options = inputs.get("repositoryOpts") or {}
        if not options.get("password"):
            return chart_arguments(inputs)
        chart = str(inputs["chart"])
        registry = urlsplit(chart).netloc if chart.startswith("oci://") else ""
        with self._lock:
            added = self._log_in(registry, repository_url(inputs), options)
        return [*chart_arguments(inputs, added), *self._logins()]

    def _log_in(self, registry: str, url: str, options: Object) -> str:
        """Name of the added repository; empty for a registry, which helm finds by its host."""
        user, password = str(options.get("username") or ""), str(options["password"])
        key = (registry or url, user, password)
        if key not in self._logged_in:
            name = "" if registry else f"repository-{len(self._logged_in)}"
            where = ["registry", "login", registry] if registry else ["repo", "add", name, url]
            arguments = [*where, "--username", user, "--password-stdin", *_options(options, REPOSITORY_FILES), *self._logins()]
            outcome = self._execute(arguments, password, None)
            if not outcome.ok:
                raise RefusedError(f"helm cannot log in to {registry or url} as {user!r}: {outcome.error}. Check repositoryOpts")
            self._logged_in[key] = name
        return self._logged_in[key]

    def _logins(self) -> list[str]:
        """Where helm keeps the passwords it was given: with us, for as long as we live."""
        files = {"registry-config": "registry.json", "repository-config": "repositories.yaml", "repository-cache": "repository-cache"}
        return [part for flag, name in files.items() for part in (f"--{flag}", str(self._private / name))]

    def _execute(self, arguments: Sequence[str], text: str | None, tick: Callable[[], None] | None) -> Outcome:
        program = shutil.which("helm")
        if program is None:
            raise StandInError('helm is not on PATH, so no helm.sh/v3:Release can be read or changed. In the lab: eval "$(make -s env)"')
        child = subprocess.Popen(
            [program, *arguments],
            env={**os.environ, "KUBECONFIG": self._cluster.kubeconfig_files},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        stdout, stderr = self._attend(child, text, tick)
        error = " ".join(
            line.removeprefix("Error: ").strip() for line in stderr.splitlines() if not line.startswith(("WARNING", "W1", "I1"))
        )
        return Outcome(child.returncode == 0, stdout, error)

    def _attend(self, child: subprocess.Popen[str], text: str | None, tick: Callable[[], None] | None) -> tuple[str, str]:
        """Both streams, when the process has ended; it is asked to stop on cancellation, and killed if it does not."""
        kill_at: float | None = None
        given: str | None = text or ""
        while True:
            try:
                return child.communicate(given, timeout=TICK_S)
            except subprocess.TimeoutExpired:
                given = None
            if self._cancelled.is_set() and kill_at is None:
                kill_at = time.monotonic() + GRACE_S
                child.terminate()
            elif kill_at is not None and time.monotonic() > kill_at:
                child.kill()
            elif tick is not None:
                tick()
