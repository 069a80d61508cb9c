"""The command that makes an environment of your own: its settings with comments, and the SLO file of its gate."""

import json
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import typer
from kubernetes.config.config_exception import ConfigException
from pydantic.fields import FieldInfo

from components import kube_api
from stacks import environments, yaml_files
from stacks.problems import PROJECT, failure
from stacks.settings import Settings, deployable, parse
from stacks.settings.explain import field_at, variants
from stacks.settings.milvus import refusals

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_EXAMPLE = {"small": "dev", "large": "prod"}
_MODELS = ("embedding", "llm", "reranker")
_TIMEOUT_S = 2.0
_SEARCHES_WORDS = (2, 5, 0)


def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new environment.")],
    *,
    driver: Annotated[Literal["s3", "greenlake", "existing", "cosi"], typer.Option(help="How buckets and keys are made.")] = "s3",
    endpoint: Annotated[str, typer.Option(help="S3 API of the store, https://host[:port].")] = "",
    registry: Annotated[str, typer.Option(help="Registry of the images, HOST or HOST/PATH.")] = "",
    size: Annotated[Literal["small", "large"], typer.Option(help="Milvus as one pod, or as a cluster with TLS and two of each.")] = "small",
    gpu: Annotated[str, typer.Option(help="Product of the models' GPUs, as nodes are labelled: NVIDIA-L4. Default: CPUs.")] = "",
    context: Annotated[str, typer.Option(help="Context of the kubeconfig. Default: the current one.")] = "",
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting; again for more.")] = None,
) -> None:
    """Write both files."""
    files = _new_files(name)
    config = _config(name, size, gpu, registry or _ask("registry of the images"))
    config["object_store"] = _store(name, driver, endpoint or _ask("S3 API of the store, https://host[:port]"), config["object_store"])
    if driver != "s3":  # which alone makes a user for them
        for model in (config[group] for group in _MODELS if group in config):
            model["weights"] |= {"secret_name": "weights"}
    with suppress(ConfigException, OSError):
        config["cluster"] = {"context": context or kube_api.current().context}
    if "network" in config:
        config["network"] = _network(str(config["object_store"]["endpoint"]), config["network"])
    for each in settings or ():
        environments.change(config, each)
    parsed = parse({f"{PROJECT}:{key}": value for key, value in config.items()})
    slo, left_out = _slo(name, files[1].with_name(f"slo.{_EXAMPLE[size]}.yaml"), parsed.images.milvus)
    yaml_files.write_whole(files[0], "\n".join(_commented(name, config)) + "\n")
    yaml_files.write_whole(files[1], slo)
    print(f"written: {', '.join(map(yaml_files.shown, files))}", *left_out, sep="\n")
    for problem in deployable.placeholders(config):
        print(f"still an example: {problem.key} = {problem.value}; {problem.cure}")
    parts = urlsplit(address := str(config["object_store"]["endpoint"]))
    try:
        socket.create_connection((parts.hostname or "", parts.port or 443), _TIMEOUT_S).close()
        print(f"reached from here: {address}")
    except OSError as error:
        print(f"not reached from here: {address} ({error}); the preflight runs on this machine too, so it has to be")
    print(Path(__file__).with_name("init.txt").read_text(encoding="utf-8").format(name=name), end="")


def _new_files(name: str) -> tuple[Path, Path]:
    files = environments.file_of(name), environments.slo_of(name)
    if not _NAME.fullmatch(name):
        raise failure("init_name", name=name)
    if there := [yaml_files.shown(path) for path in files if path.exists()]:
        raise failure("init_exists", files=" and ".join(there))
    return files


def _slo(name: str, example: Path, milvus: str) -> tuple[str, list[str]]:
    """Return the text of an SLO file, and what of the example this image of Milvus cannot keep, so that it is not promised."""
    slo = re.sub(r"(?m)^profile: .*$", f"profile: {name}", example.read_text(encoding="utf-8"))
    version = refusals.version(milvus)
    if version is None or version >= _SEARCHES_WORDS:
        return slo, []
    without = re.sub(r"(?m)^  hybrid_ndcg_at_10:\n(?:    .*\n)+", "", slo)
    return without, ["left out: hybrid_ndcg_at_10, since this Milvus has no search by words (BM25 came with 2.5)"]


def _ask(what: str) -> str:
    return str(typer.prompt(what, default="", show_default=False, err=True)) if sys.stdin.isatty() else ""


def _config(name: str, size: str, gpu: str, registry: str) -> dict[str, Any]:
    """Return settings by group, from the examples of this project."""
    files = [yaml_files.read(environments.file_of(example)) for example in (_EXAMPLE[size], "prod" if gpu else "dev")]
    config, other = ({key.partition(":")[2]: value for key, value in file.config.items()} for file in files)
    for group in _MODELS:
        config.pop(group, None)
        if group in other:
            config[group] = other[group]
            if "gpu" in config[group]:
                config[group]["gpu"]["product"] = gpu
    images = {key: text for key, text in {**config["images"], **other["images"]}.items() if key != "reranker" or "reranker" in config}
    config["images"] = {key: text.replace("registry.example.net", registry or "registry.example.net") for key, text in images.items()}
    config["milvus"]["root_path"] = "milvus"
    return {"namespace": f"rag-{name}", **config}


def _store(name: str, driver: str, endpoint: str, example: dict[str, Any]) -> dict[str, Any]:
    """Return the driver's group: what nobody else can know stands there as an example."""
    group = variants(Settings.model_fields["object_store"])[driver]
    required = {key: (field.examples or [""])[0] for key, field in group.model_fields.items() if field.is_required() and key != "driver"}
    given = {key: example[key] for key in required if key in example} if driver == "s3" else {}
    buckets = {} if driver == "cosi" else {"milvus_bucket": f"{name}-rag-milvus", "documents_bucket": f"{name}-rag-documents"}
    return {"driver": driver, **required, **given, **buckets, **({"endpoint": endpoint} if endpoint else {})}


def _network(endpoint: str, example: dict[str, Any]) -> dict[str, Any]:
    """Return where the store's name leads now, since a network policy knows no names; a name that nobody here knows stays an example."""
    host = urlsplit(endpoint).hostname or ""
    try:
        found = sorted({str(entry[4][0]) for entry in socket.getaddrinfo(host, None)})
    except OSError:
        return example
    return {"addresses": {} if host in found else {host: [f"{address}/{128 if ':' in address else 32}" for address in found]}}


def _commented(name: str, config: dict[str, Any]) -> Iterator[str]:
    yield f"# {name}: written by `./rag init`; yours to edit. Every setting, its default and its reason: docs/settings.md"
    yield "config:"
    for group, value in config.items():
        yield f"  # {_reason(Settings.model_fields.get(group))}"
        if not isinstance(value, dict):
            yield f"  {PROJECT}:{group}: {json.dumps(value, ensure_ascii=False)}"
            continue
        yield f"  {PROJECT}:{group}:"
        driver = (value["driver"],) if "driver" in value else ()
        for key, item in value.items():
            reason = _reason(field_at(Settings, (group, *driver, key)))
            yield f"    {key}: {json.dumps(item, ensure_ascii=False)}" + (f" # {reason}" if reason else "")


def _reason(field: FieldInfo | None) -> str:
    return " ".join((field.description or "").split()) if field is not None else ""
