"""What no group of settings can see by itself: buckets of one store, data that is deleted, settings that nothing would use. Pure.

Each reason begins with the path of the setting that is pointed at.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stacks.problems import PROJECT, Reason, WrongValueError
from stacks.settings import models
from stacks.settings.milvus import refusals
from stacks.settings.names import require_bucket_name
from stacks.settings.object_store import CosiSettings, ExistingSettings, S3Settings

if TYPE_CHECKING:
    from stacks.settings import Settings

_LOST = "Milvus deletes every object in its bucket that it does not know"


def problems(given: "Settings") -> list[object]:
    """Every reason; empty when all fits together."""
    services = given.model_services
    return [
        *_buckets(given),
        *_deletion_and_access(given),
        *refusals.of_images(given.milvus, given.images, pinned=given.images_pinned == "required"),
        *models.problems(services, given.images, given.keda, makes_users=isinstance(given.object_store, S3Settings)),
        *(Reason(reason, code="settings.unused") for reason in _unused(given)),
    ]


def _buckets(given: "Settings") -> Iterator[str]:
    buckets = {"milvus_bucket": given.milvus_bucket, "documents_bucket": given.documents_bucket}
    for name, bucket in buckets.items():
        try:
            require_bucket_name(bucket)
        except WrongValueError as error:
            yield Reason(f"object_store.{name} would be {bucket!r} by the namespace, which {error.wrong}", code=error.code)
    if given.milvus_bucket == given.documents_bucket:
        text = f"object_store.documents_bucket and milvus_bucket are both {given.milvus_bucket!r}: {_LOST}, documents too"
        yield Reason(text, code="settings.shared_place")
    for name, service in given.model_services.items():
        if service is not None and service.weights is not None and service.weights.bucket == given.milvus_bucket:
            text = f"{name}.weights.bucket is Milvus's own, {given.milvus_bucket!r}: {_LOST}, the weights too"
            yield Reason(text, code="settings.shared_place")


def _deletion_and_access(given: "Settings") -> Iterator[str]:
    key, confirmed = f"{PROJECT}:object_store.confirm_delete", set(given.object_store.confirm_delete)
    names, what = {given.milvus_bucket, given.documents_bucket}, "both buckets with all their objects"
    if isinstance(given.object_store, ExistingSettings | CosiSettings):  # neither ever deletes a bucket
        names = {given.namespace}
        what = f"the namespace {given.namespace!r} with the volumes without which nobody can read Milvus's bucket"
    if given.object_store.deletes and confirmed != names:
        named = f"object_store.confirm_delete names {sorted(confirmed) or 'none of them'}"
        cure = f"If it is meant: pulumi config set --path {key} '{json.dumps(sorted(names))}'"
        yield f"object_store.on_destroy=delete would let `pulumi destroy` delete {what}, and {named}. Cure: {cure}"
    if not given.object_store.deletes and confirmed:
        wrong = "object_store.confirm_delete is there although nothing is to be deleted"
        yield f"{wrong}: the next change of on_destroy would count as told twice. Cure: pulumi config rm --path {key}"
    if given.access.tenants and not given.milvus.authentication:
        wrong = "access.tenants would be names and nothing else: a Milvus without authentication shows everybody everything"
        yield f"{wrong}. Cure: pulumi config set --path {PROJECT}:milvus.authentication true"
    if given.milvus.service.type != "ClusterIP" and not given.access.client_cidrs:
        wrong = f"milvus.service.type={given.milvus.service.type} without access.client_cidrs: network policies would let nobody in"
        yield f"{wrong}. Cure: pulumi config set --path '{PROJECT}:access.client_cidrs[0]' 10.20.0.0/16"


def _unused(given: "Settings") -> Iterator[str]:
    milvus = given.milvus
    if not milvus.authentication:
        of_users = [f"milvus.{name}" for name in ("administration_uri", "root_password_generation") if name in milvus.model_fields_set]
        of_users += ["access.password_generation"] if "password_generation" in given.access.model_fields_set else []
        yield from (f"{name} would be ignored: Milvus has no users without milvus.authentication" for name in of_users)
    yield from _unused_images(given)
    if not given.pod_security.assign_ids and "user_id" in milvus.model_fields_set:
        yield "milvus.user_id would be ignored: with pod_security.assign_ids=false the platform chooses the user"
    by_queue = [each for each in given.model_services.values() if each and each.scaling and each.scaling.waiting_requests is not None]
    if given.keda is not None and not by_queue:
        yield "keda would be ignored: no model service scales by scaling.waiting_requests"
    if given.residency.allowed and given.residency.mode == "open":
        yield "residency.allowed would be ignored: with residency.mode=open every address is allowed"


def _unused_images(given: "Settings") -> Iterator[str]:
    if given.images.etcd is not None and given.milvus.etcd != "bundled":
        yield f"images.etcd would be ignored: milvus.etcd is {given.milvus.etcd}, and no pod of its own runs"
    for name, service in given.model_services.items():
        if getattr(given.images, name) is not None and (service is None or not service.runs_here):
            why = f"there is no {name}" if service is None else f"{name}.engine is {service.engine}, which runs elsewhere"
            yield f"images.{name} would be ignored: {why}"
    in_suite = {
        "preflight.performance would be ignored: it runs": given.preflight.performance,
        "ask would be ignored: it runs": given.ask is not None,
        "load_generators would be ignored: they run": bool(given.load_generators.model_fields_set),
    }
    if given.images.suite is None:
        yield from (f"{wrong} in images.suite, which is missing" for wrong, is_set in in_suite.items() if is_set)
