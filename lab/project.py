"""The lab's Pulumi project: in the lab's state, never in the checkout. This machine's facts are merged over stacks/Pulumi.lab.yaml."""

import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from lab import process_tree, stores, toolchain
from lab.checkpoint import Checkpoint
from lab.cluster import kubectl
from lab.errors import LabError
from lab.images.build import Image
from lab.pki import write_secret
from lab.places import BIN, CACHE, KUBECONFIG, PKI, REPOSITORY, STATE, Network, write_whole
from lab.processes import attended

PROJECT = "milvus-x10000"
STACK = "lab"
HOME = STATE / "pulumi"
PASSPHRASE = HOME / "passphrase"
PULUMI_HOME = HOME / "home"
MENDING = ("--yes", "--patience-s", "0")  # nobody else works on the lab, so whatever a killed Pulumi or helm left is mended at once
BUILT = HOME / "built"  # present where the lab runs the Pulumi that it built, with a home of its own, and not the operator's
_KEPT = {"object_store": ("credential_generation", "revoked_generation"), "milvus": ("chart", "chart_repository", "chart_version")}


def environment() -> dict[str, str]:
    """Return what a shell needs for `pulumi`, `kubectl`, `helm` and boto3 to reach the lab: no secret, only the files that hold one."""
    ours = (str(BIN), str(REPOSITORY / ".venv" / "bin"))
    variables = {
        "PATH": ":".join([*ours, *(part for part in os.environ["PATH"].split(":") if part not in ours)]),
        "KUBECONFIG": str(KUBECONFIG),
        "PULUMI_BACKEND_URL": f"file://{HOME / 'backend'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(PASSPHRASE),
        "PULUMI_OPTION_CONFIG_FILE": str(config_file(STACK)),
        "PULUMI_STACK": STACK,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_SUPPRESS_NEO_LINK": "true",
        "AWS_SHARED_CREDENTIALS_FILE": str(PKI / "credentials"),
        "AWS_CA_BUNDLE": str(PKI / "store-ca.crt"),
        "GREENLAKE_CREDENTIALS_FILE": str(PKI / "greenlake"),
        "GATE_VECTORS": str(CACHE / "vectors"),
    }
    if BUILT.exists():  # the operator's own Pulumi keeps its own home, with the plugins that are there
        variables |= {"PULUMI_HOME": str(PULUMI_HOME), "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}
    return variables


def shell() -> dict[str, str]:
    """Return all that a shell of the lab has, with the addresses of its services; nothing where no lab runs that this user may use."""
    return {**environment(), **endpoints()} if os.access(STATE, os.R_OK) and process_tree.running() else {}


def endpoints() -> dict[str, str]:
    """Return where the stack's services answer this machine: names of Services as ClusterIPs, to which the lab's routes lead."""
    outputs = Checkpoint(HOME, PROJECT, STACK).outputs()
    urls = {name.upper(): str(outputs[name]) for name in ("milvus_uri", "embedding_url", "llm_url", "ask_url") if name in outputs}
    if "object_store_endpoint" in outputs:
        urls["AWS_ENDPOINT_URL_S3"] = outputs["object_store_endpoint"]
    for name, url in urls.items():
        host = urlsplit(url).hostname or ""
        if host.endswith(".svc.cluster.local"):
            service, namespace = host.split(".")[:2]
            address = kubectl("-n", namespace, "get", "service", service, "-o", "jsonpath={.spec.clusterIP}").stdout
            urls[name] = url.replace(host, address or host)
    return urls


def variables(stack: str) -> dict[str, str]:
    """Return the environment of a command on `stack`: as in a shell of the lab, with that stack's configuration."""
    return {**environment(), "PULUMI_OPTION_CONFIG_FILE": str(config_file(stack)), "PULUMI_STACK": stack}


def config_file(stack: str) -> Path:
    """Return where the whole configuration of `stack` is, with its encryption salt."""
    return HOME / f"Pulumi.{stack}.yaml"


def machine_facts(net: Network, images: Mapping[str, Image], store: str = "s3") -> dict[str, Any]:
    """Return the settings that only this machine knows: the store and how it is used, the images it built."""
    served = {"milvus": "milvus", "suite": "suite", "embedding": "models", "llm": "models"}
    made = {name: images[image].reference for name, image in served.items()}
    return {f"{PROJECT}:images": made, f"{PROJECT}:object_store": stores.facts(store, net)}


def chart_settings(asked: str | None, version: str | None) -> dict[str, Any]:
    """Return the settings of the chart that is asked for: a path, oci://..., or NAME@REPOSITORY; none for the one that the stack has."""
    if asked is None:
        return {}
    name, _, repository = asked.partition("@")
    name = str(Path(asked).resolve()) if Path(asked).exists() else name
    return {f"{PROJECT}:milvus": {"chart": name, "chart_repository": repository or None, "chart_version": version}}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` laid over it, key by key; neither is changed."""
    both = dict(base)
    for key, value in over.items():
        both[key] = merged(base[key], value) if isinstance(base.get(key), Mapping) and isinstance(value, Mapping) else value
    return both


def configure(stack: str, facts: Mapping[str, Any]) -> None:
    """Write the configuration of `stack`: the committed one of the lab, `facts` over it, and the salt that it had before."""
    HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
    (HOME / "backend").mkdir(exist_ok=True)
    if not PASSPHRASE.exists():
        write_secret(PASSPHRASE, secrets.token_urlsafe(32))
    # `stack init` knows no other place for the salt than beside a Pulumi.yaml: this one keeps it out of the checkout
    (HOME / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
    target = config_file(stack)
    before = yaml.safe_load(target.read_text()) if target.exists() else {}
    committed = yaml.safe_load((REPOSITORY / "stacks" / f"Pulumi.{STACK}.yaml").read_text())
    whole = {**committed, "config": _throwaway(merged(committed["config"], merged(_kept(before), facts)))}
    if "encryptionsalt" in before:
        whole["encryptionsalt"] = before["encryptionsalt"]
    write_whole(target, yaml.safe_dump(whole, sort_keys=False))
    write_pins(stack, whole["config"])


def write_pins(stack: str, config: Mapping[str, Any]) -> Path:
    """Write what `./rag pin` would of another environment: the lab's images are in no registry, and their digests are those it built."""
    images = {name: {"of": image, "reference": image} for name, image in config[f"{PROJECT}:images"].items()}
    milvus = config[f"{PROJECT}:milvus"]
    chart, version, digest = str(milvus["chart"]), milvus.get("chart_version"), None
    place, target = REPOSITORY / chart, HOME / f"images.{stack}.lock"
    if place.is_dir():  # has no checksum
        version = yaml.safe_load((place / "Chart.yaml").read_text())["version"]
    elif place.is_file():
        shown = subprocess.run([BIN / "helm", "show", "chart", place], capture_output=True, text=True, check=True).stdout
        version, digest = yaml.safe_load(shown)["version"], hashlib.sha256(place.read_bytes()).hexdigest()
    elif version is None:
        cure = "./rag up --chart PATH, or --chart NAME@REPOSITORY --chart-version X.Y.Z; the lab's own again: --chart lab/chart/milvus"
        raise LabError(f"the chart {chart!r} is neither a folder nor an archive here", cure)
    write_whole(target, yaml.safe_dump({**images, "chart": {"name": chart, "version": str(version), "sha256": digest}}))
    return target


def _kept(before: Mapping[str, Any]) -> dict[str, Any]:
    """What the committed settings know nothing of: which credentials a rotation left valid, and which chart was asked for."""
    config = before.get("config", {})
    groups = {f"{PROJECT}:{group}": names for group, names in _KEPT.items()}
    return {group: {name: config[group][name] for name in names if name in config.get(group, {})} for group, names in groups.items()}


def _throwaway(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with both words that let `destroy` delete data, for what this namespace's stack makes."""
    store = config[f"{PROJECT}:object_store"]
    if store.get("on_destroy") != "delete":
        return dict(config)
    namespace = config.get(f"{PROJECT}:namespace", "rag")
    made = [store.get(f"{use}_bucket", f"{namespace}-{use}") for use in ("milvus", "documents")]
    at_stake = [namespace] if store.get("driver") == "existing" else made  # its buckets are somebody else's
    return {**config, f"{PROJECT}:object_store": {**store, "confirm_delete": at_stake}}


def store_of(stack: str, asked: str | None) -> str:
    """Return the driver by which `stack` comes by its buckets; LabError for another one than its data is kept by."""
    target = config_file(stack)
    config = yaml.safe_load(target.read_text())["config"] if target.exists() else {}
    return stores.chosen(asked, config, empty=Checkpoint(HOME, PROJECT, stack).is_empty())


def pulumi(*arguments: str, stack: str = STACK) -> subprocess.CompletedProcess[str]:
    """Run one short `pulumi` command and return what it said."""
    command = [BIN / "pulumi" if (BIN / "pulumi").exists() else "pulumi", *arguments]
    here: dict[str, Any] = {"cwd": REPOSITORY, "env": {**os.environ, **variables(stack)}, "stdin": subprocess.DEVNULL}
    return subprocess.run(command, capture_output=True, text=True, check=False, **here)


def select(stack: str = STACK) -> None:
    """Select `stack`, made first where the backend has none; LabError where the passphrase does not fit the state."""
    checkpoint = Checkpoint(HOME, PROJECT, stack)
    checkpoint.drop_torn()
    salted = "encryptionsalt" in yaml.safe_load(config_file(stack).read_text())
    if not salted and checkpoint.is_there() and checkpoint.is_empty():  # of a killed `stack init`, whose salt was never written down
        _check(pulumi("stack", "rm", stack, "--yes", "--force", "--preserve-config", stack=stack))
    if stack not in {known["name"] for known in json.loads(pulumi("stack", "ls", "--json").stdout or "[]")}:
        options = ("--secrets-provider", "passphrase", "--non-interactive", "--cwd", str(HOME))
        _check(pulumi("stack", "init", stack, *options, stack=stack))
    _check(pulumi("stack", "select", stack, stack=stack))
    # reads every secret of the state, and so finds out whether the passphrase fits before anything is changed
    _check(pulumi("stack", "export", "--stack", stack, "--show-secrets", stack=stack))


def _check(ended: subprocess.CompletedProcess[str]) -> None:
    text = (ended.stderr or ended.stdout).strip()
    if ended.returncode and "incorrect passphrase" in text:
        problem = f"the passphrase in {PASSPHRASE} does not fit the lab's Pulumi state: its secrets cannot be read"
        raise LabError(problem, f"put the passphrase back that was in {PASSPHRASE}, or start anew: ./rag down; ./rag up")
    if ended.returncode:
        raise LabError(f"{' '.join(ended.args[1:3])}: {text}", "./rag down; ./rag up starts with an empty state")


def refuse_foreign_state() -> None:
    """Raise LabError for a state of the plugin that the lab had of its own before: Pulumi's would take each of its Secrets for changed."""
    if Checkpoint(HOME, PROJECT, STACK).has_string_data():
        wrong = f"this lab's Pulumi state was written by another kubernetes plugin than {toolchain.PLUGIN}, which would replace its Secrets"
        raise LabError(wrong, "./rag down; ./rag up (what is in this lab is lost)")


def up(stack: str = STACK) -> None:
    """Mend what a killed Pulumi left, and run `pulumi up`; LabError when it fails. Ctrl-C lets Pulumi end in order."""
    ended = attended([sys.executable, "-m", "stacks", "up", stack, *MENDING], variables(stack))
    if ended:
        cure = 'look around with eval "$(./rag env)"; `./rag up` tries again'
        raise LabError(f"`pulumi up` ended with {ended}; what it said is above", cure)
