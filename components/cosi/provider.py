"""What the providers of COSI's objects share: made with our mark, compared, found again, taken away."""

from collections.abc import Mapping
from typing import Any

from pulumi import dynamic

from components.cosi import manifests, waiting
from components.cosi.objects import Objects, opened, owner_of, require_ours
from components.dynamic_provider import Provider, inputs_of
from components.s3.errors import StoreError

_MISSING = (
    "the {what} is not there any more, and a new one would be of a new and empty bucket, since COSI names buckets itself. Cure: look "
    "whether this is the right cluster; if it was deleted on purpose, run `pulumi refresh` and then `pulumi up`."
)


class CosiProvider(Provider):
    """Inputs: a manifest, `timeout_s`, what the subclass wants besides. Outputs: the same, and what COSI answered."""

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Another name or namespace is another object; how long to wait is no property of it."""
        wanted = {key: value for key, value in inputs_of(_news).items() if key != "timeout_s"}
        changed = [key for key, value in wanted.items() if _olds.get(key) != value]
        replaces = ["metadata"] if _moved(_olds["metadata"], _news["metadata"]) else []
        return dynamic.DiffResult(changes=bool(changed) or self.incomplete(_olds), replaces=replaces)

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make it, or go on with what an interrupted run of the same stack began."""
        inputs = inputs_of(props)
        manifest = manifests.of(inputs)
        with opened() as objects:
            self.before(objects, inputs)
            objects.put(manifest, {owner_of(manifest)})
            return dynamic.CreateResult(_place(inputs), {**inputs, **self.answer(objects, inputs, {})})

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Gone, or what is really there."""
        outputs = inputs_of(props)
        manifest = manifests.of(outputs)
        with opened() as objects:
            found = objects.find(manifest)
            if found is None:
                return dynamic.ReadResult("", {})
            require_ours(manifest, found, {"", owner_of(manifest)})
            mark = {**manifest["metadata"], "annotations": {**manifest["metadata"]["annotations"], **_annotations(manifest, found)}}
            return dynamic.ReadResult(id_, {**outputs, "metadata": mark, **self.found(objects, outputs)})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Restore it; refuse what cannot be changed, and one that is not there."""
        inputs = inputs_of(_news)
        manifest = manifests.of(inputs)
        self.require_changeable(_olds, inputs)
        with opened() as objects:
            if objects.find(manifest) is None:
                raise StoreError(_MISSING.format(what=manifests.named(manifest)))
            objects.put(manifest, {"", owner_of(manifest), owner_of(_olds)})
            return dynamic.UpdateResult({**inputs, **self.answer(objects, inputs, _olds)})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Take it away and wait for its end; what is gone already is no error."""
        manifest = manifests.of(_props)
        with opened() as objects:
            found = objects.find(manifest)
            if found is None:
                return
            require_ours(manifest, found, {"", owner_of(manifest)})
            objects.remove(manifest)
            waiting.gone(objects, manifest, _props["timeout_s"])

    def before(self, objects: Objects, inputs: Mapping[str, Any]) -> None:
        """Refuse what would be in its way."""

    def answer(self, objects: Objects, inputs: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs once COSI is ready."""
        _ = objects, inputs, before
        return {}

    def found(self, objects: Objects, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs as they are now, without waiting."""
        _ = objects, outputs
        return {}

    def require_changeable(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> None:
        """Refuse a change that COSI would not follow."""

    def incomplete(self, outputs: Mapping[str, Any]) -> bool:
        """Whether something that no input names is missing."""
        _ = outputs
        return False


def _place(inputs: Mapping[str, Any]) -> str:
    metadata = inputs["metadata"]
    return "/".join(metadata[part] for part in ("namespace", "name") if metadata.get(part))


def _moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether it is another object; what a preview does not know yet is no text, and no other name."""
    return any(isinstance(new.get(part), str) and new[part] != old.get(part) for part in ("namespace", "name"))


def _annotations(manifest: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, str]:
    """Ours, as they are."""
    there = found["metadata"].get("annotations") or {}
    return {key: there.get(key, "") for key in manifest["metadata"]["annotations"]}
