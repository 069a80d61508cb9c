"""Where to aim: the outputs of a stack, read from the Pulumi CLI or from a file that holds the same JSON.

The CLI is only ever asked to read. Outputs carry names of Secrets, never a credential; an address with a user in it is refused, since
it would end up in the report.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from validation.judge.errors import UsageError
from validation.judge.profile import Parameters

_TIMEOUT_S = 120


def _plain_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("expected an address like http://name:port")
    if parts.username or parts.password:
        raise ValueError("an address must not carry a user or a password")
    return url


Url = Annotated[str, AfterValidator(_plain_address)]
Name = Annotated[str, Field(min_length=1)]


class Part(BaseModel):
    """A part of the outputs; what the gate does not know is left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")


_Outputs = TypeVar("_Outputs", bound=Part)


class RerankerTarget(Part):
    """Where the reranker answers."""

    url: Url
    model: Name
    secret_name: str = ""
    ca_config_map: str = ""


class MilvusIndex(Part):
    """The index that the stack is sized for, in Milvus's own words."""

    index_type: Name
    metric_type: Literal["COSINE", "IP", "L2"]
    params: Parameters = {}
    search_params: Parameters = {}


class EmbeddingRequest(Part):
    """How a text of one kind, a query or a passage, is sent to the embedding service."""

    prefix: str = ""  # goes before each text
    options: Parameters = {}  # further fields of the request


class Target(Part):
    """What the stack exports."""

    namespace: Name
    milvus_uri: Url
    milvus_database: Name = "default"
    milvus_ca_config_map: str = ""
    milvus_proxies: Annotated[int, Field(ge=1)] = 1
    milvus_index: MilvusIndex | None = None
    milvus_search_secret_name: str = ""
    milvus_ingest_secret_name: str = ""
    milvus_admin_secret_name: str = ""
    milvus_tenants: tuple[Name, ...] = ()
    milvus_accepted_bypass: str = ""
    milvus_bucket: str = ""
    milvus_secret_name: str = ""
    load_pod_template: str = ""
    documents_bucket: Name
    documents_secret_name: Name
    object_store_endpoint: Url
    object_store_region: Name
    object_store_ca_config_map: str = ""
    embedding_url: Url
    embedding_model: Name
    embedding_dimension: Annotated[int, Field(ge=2, le=32_768)]
    embedding_query: EmbeddingRequest = EmbeddingRequest()
    embedding_passage: EmbeddingRequest = EmbeddingRequest()
    llm_url: Url
    llm_model: Name
    llm_context_tokens: Annotated[int, Field(ge=256)] = 4_096
    llm_answer_tokens: Annotated[int, Field(ge=1)] = 512
    llm_temperature: float | None = 0
    embedding_secret_name: str = ""
    embedding_ca_config_map: str = ""
    llm_secret_name: str = ""
    llm_ca_config_map: str = ""
    reranker: RerankerTarget | None = None
    ask_url: str = ""
    ask_secret_name: str = ""
    images: dict[str, str] = {}  # the references as the stack declares them
    chart: dict[str, str] = {"name": "", "version": ""}  # the Helm chart that Milvus came from

    @property
    def passage_model(self) -> str:
        """What made the vectors of passages: the model, and what it is sent besides their text; another one needs another collection."""
        request, model = self.embedding_passage, self.embedding_model
        return model if request == EmbeddingRequest() else f"{model}, asked with {request.model_dump_json()}"


def read(name: str) -> Target:
    """Return the outputs of an environment: its name, or a file that ends in `.json`."""
    return read_as(Target, name)


def read_as(kind: type[_Outputs], name: str) -> _Outputs:
    """Return those outputs that `kind` has: of a stack of the project in the working directory, or of a file, as Pulumi wrote it."""
    cure = "write one with: pulumi stack output --json > FILE"
    if not name.endswith(".json"):
        return _parse(kind, _ask_pulumi(name), f"stack {name}", f"deploy it first: pulumi up --stack {name}")
    try:
        return _parse(kind, Path(name).read_text(encoding="utf-8"), name, cure)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: cannot be read as a target ({error}); {cure}") from None


def _ask_pulumi(name: str) -> str:
    names = sorted(path.name.split(".")[1] for path in Path("stacks").glob("Pulumi.*.yaml"))
    if names and name not in names:
        raise UsageError(f"there is no environment {name!r}; there are: {', '.join(names)}; a file of outputs ends in .json")
    command = ["pulumi", "stack", "output", "--json", "--non-interactive", "--stack", name]
    environment = os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise UsageError('pulumi is not on PATH, so the outputs cannot be read; in the lab type: eval "$(./rag env)"') from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"pulumi did not answer for stack {name} within {_TIMEOUT_S} s; is its state backend reachable?") from None
    if done.returncode:
        reason = " ".join(done.stderr.split())[:600]
        raise UsageError(f"pulumi has no outputs of stack {name}: {reason}; see what there is with: pulumi stack ls")
    return done.stdout


def _parse(kind: type[_Outputs], text: str, origin: str, cure: str) -> _Outputs:
    try:
        outputs: Any = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{origin}: the outputs are not JSON ({error})") from None
    try:
        return kind.model_validate(outputs)
    except ValidationError as error:
        if not outputs:
            raise UsageError(f"{origin} has no outputs yet; {cure}") from None
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}" for each in error.errors()]
        raise UsageError(f"{origin}: {'; '.join(problems)}; {cure}") from None
