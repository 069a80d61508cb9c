"""What our dynamic providers share: the shape of create, read, update and delete, how they compare, what they tell of an error.

A provider keeps in the state its import path and the name of its group of settings, never its code or a path of the machine: two checkouts
give the same state, and `destroy` works from either. A provider that moves or is renamed is an update in place.
"""

import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import pulumi
import yaml
from pulumi import dynamic

PROVIDER_KEY = "__provider"  # where Pulumi keeps the pickled provider among the inputs
_PLACEHOLDER = "<setting>"
Api = TypeVar("Api")


@cache
def _messages() -> dict[str, dict[str, str]]:
    """Read the table once it is needed: each `pulumi up` imports this, and few fail."""
    table: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_name("messages.yaml").read_text(encoding="utf-8"))
    return table


class ProviderError(Exception):
    """Something cannot be made as declared; the message is for the operator.

    `<setting>` in the text stands for the setting that cures it: its field here, its full name once the provider that knows the group of
    settings has passed the error on.
    """

    settings = ""

    def __init__(self, text: str, *, code: str, setting: str = "") -> None:
        super().__init__(text)
        self.code, self.setting = code, setting

    @classmethod
    def by_code(cls, row: str, /, **words: object) -> Self:
        """Return the error in the words of messages.yaml; `row` is its code, and after a slash which case of it."""
        message = _messages()[row]
        return cls(message["text"].format(**words), code=row.partition("/")[0], setting=message.get("setting", ""))

    def __str__(self) -> str:
        name = ".".join(filter(None, (self.settings, self.setting)))
        return str(self.args[0]).replace(_PLACEHOLDER, name)


class Provider(dynamic.ResourceProvider):
    """Compares and configures; `settings` names the group of settings that its resource was declared from."""

    serialize_as_secret_always = False  # it holds no secret, and a diff of it should be readable
    settings = ""
    identity: tuple[str, ...] = ()  # inputs that cannot change without making another thing
    essential = ""  # output without which the resource is to be completed: a refresh found that it is lost

    def __init__(self, settings: str = "") -> None:
        super().__init__()
        if settings:
            self.settings = settings

    def configure(self, req: dynamic.ConfigureRequest) -> None:
        """Keep the message of an error only: the provider's own process, which calls this, prints whole tracebacks."""
        _ = req
        if not sys.flags.dev_mode:  # PYTHONDEVMODE=1 shows them
            sys.tracebacklimit = 0

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Complete the name of the setting in an error."""
        try:
            yield
        except ProviderError as error:
            error.settings = self.settings
            raise

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Compare what is there (after a refresh: what was found) with what is declared."""
        changed = [key for key in _news if _olds.get(key) != _news[key]]
        lost = bool(self.essential) and not _olds.get(self.essential)
        return dynamic.DiffResult(changes=bool(changed) or lost, replaces=[key for key in self.identity if key in changed])


class DynamicResource(dynamic.Resource):
    """What a dynamic provider makes, of the inputs that its provider wants."""

    results: tuple[str, ...] = ()  # outputs that are no inputs
    secrets: tuple[str, ...] = ()  # outputs that are secret in the state

    def __init__(
        self, provider: dynamic.ResourceProvider, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=list(self.secrets))
        super().__init__(provider, name, {**inputs, **dict.fromkeys(self.results)}, pulumi.ResourceOptions.merge(opts, secret))


class OwnedProvider(Provider, ABC, Generic[Api]):
    """Makes, finds, changes and removes one thing through `Api`, which is open while one of the four runs."""

    kind: str  # what a message calls it, such as `bucket`

    @abstractmethod
    def _open(self, inputs: Mapping[str, Any], action: str) -> AbstractContextManager[Api]:
        """Open the API for an action such as `make the bucket 'x'`, and explain what fails meanwhile."""

    def _name(self, inputs: Mapping[str, Any]) -> str:
        return str(inputs[self.identity[0]])

    def _make(self, api: Api, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        """Make it, or finish what an interrupted run of the same stack began; return the outputs that are no inputs."""
        return self._change(api, name, inputs, {})

    @abstractmethod
    def _look(self, api: Api, name: str, outputs: dict[str, Any]) -> Mapping[str, Any] | None:
        """Return the properties as they really are, None where it is gone."""

    @abstractmethod
    def _change(self, api: Api, name: str, inputs: dict[str, Any], olds: Mapping[str, Any]) -> Mapping[str, Any]:
        """Restore it as declared; return the outputs that are no inputs."""

    def _remove(self, api: Api, name: str, outputs: Mapping[str, Any]) -> None:
        """Remove it; what is gone already is no error. Whoever has nothing to remove says so in `delete`."""
        raise NotImplementedError

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make it."""
        inputs = inputs_of(props)
        name = self._name(inputs)
        with self._opened(inputs, "make", name) as api:
            return dynamic.CreateResult(name, {**inputs, **self._make(api, name, inputs)})

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Look at it."""
        outputs = inputs_of(props)
        with self._opened(outputs, "look at", id_) as api:
            there = self._look(api, id_, outputs)
        return dynamic.ReadResult("", {}) if there is None else dynamic.ReadResult(id_, {**outputs, **there})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Change it."""
        inputs = inputs_of(_news)
        with self._opened(inputs, "change", _id) as api:
            return dynamic.UpdateResult({**inputs, **self._change(api, _id, inputs, inputs_of(_olds))})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove it."""
        with self._opened(_props, "delete", _id) as api:
            self._remove(api, _id, _props)

    @contextmanager
    def _opened(self, inputs: Mapping[str, Any], verb: str, name: str) -> Iterator[Api]:
        with self.naming(), self._open(inputs, f"{verb} the {self.kind} {name!r}") as api:
            yield api


@dataclass(frozen=True, kw_only=True)
class AsInputs:
    """Plain texts that are inputs of a dynamic resource: to be written there, and read from there."""

    def inputs(self) -> dict[str, str]:
        """Return them as inputs of a dynamic resource."""
        return asdict(self)

    @classmethod
    def of(cls, inputs: Mapping[str, Any]) -> Self:
        """Take them from the inputs of a dynamic resource."""
        return cls(**{field.name: inputs[field.name] for field in fields(cls)})


def inputs_of(props: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties without Pulumi's own."""
    return {key: value for key, value in props.items() if key != PROVIDER_KEY}


@contextmanager
def as_file(pem: str) -> Iterator[str]:
    """Yield the path of a file with this text until the block ends, for libraries that read an authority from nothing else."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pem)
        file.flush()
        yield file.name
