"""A bucket with its credential as the settings ask for it."""

from collections.abc import Sequence

import pulumi

from components.bucket_options import BucketOptions, Lock
from components.cosi.driver import CosiDriver
from components.cosi.manifests import Backend
from components.cosi.place import Place as CosiPlace
from components.existing.credential import Place
from components.existing.driver import ExistingDriver
from components.greenlake.driver import GreenLakeDriver
from components.greenlake.system import System
from components.object_store import ObjectStore
from components.s3.driver import S3Driver
from components.s3.policy import DOCUMENTS, MILVUS
from components.s3.store import Store
from components.store_driver import ObjectStoreArgs, StoreDriver
from components.tenancy import Tenancy
from stacks.settings import PROJECT, Settings
from stacks.settings.object_store import CosiSettings, ExistingSettings, GreenLakeSettings, ObjectStoreSettings, S3Settings
from stacks.settings.stores import MadeStoreSettings


def for_milvus(settings: Settings, tenancy: Tenancy) -> ObjectStore:
    """Milvus's own: unversioned and unlocked, since its garbage collection has to delete."""
    chosen = settings.object_store
    driver = _driver(chosen, chosen.milvus_secret if isinstance(chosen, ExistingSettings) else "")
    args = _args(settings, tenancy, driver, documents=False)
    return ObjectStore("milvus-store", args)


def for_documents(settings: Settings, tenancy: Tenancy, first: ObjectStore) -> ObjectStore:
    """The originals: versioned, and locked where the settings say so; after `first` where a driver cannot make two at once."""
    chosen = settings.object_store
    driver = _driver(chosen, chosen.documents_secret if isinstance(chosen, ExistingSettings) else "", first)
    args = _args(settings, tenancy, driver, documents=True)
    return ObjectStore("documents-store", args)


def _args(settings: Settings, tenancy: Tenancy, driver: StoreDriver, *, documents: bool) -> ObjectStoreArgs:
    return ObjectStoreArgs(
        driver=driver,
        bucket=settings.documents_bucket if documents else settings.milvus_bucket,
        options=_options(settings.object_store, documents=documents),
        permissions=DOCUMENTS if documents else MILVUS,
        owner=owner(tenancy),
        namespace=tenancy.namespace,
        retain=not settings.object_store.deletes,
        generations=settings.object_store.generations,
    )


def _driver(chosen: ObjectStoreSettings, secret: str, *first: pulumi.Resource) -> StoreDriver:
    if isinstance(chosen, ExistingSettings):
        place = Place(
            endpoint=chosen.endpoint,
            region=chosen.region,
            ca_pem=chosen.ca_pem,
            secret_namespace=chosen.secret_namespace,
            secret_name=secret,
        )
        return ExistingDriver(place)
    if isinstance(chosen, GreenLakeSettings):
        return GreenLakeDriver(_system(chosen))
    if isinstance(chosen, CosiSettings):
        return _cosi(chosen, first)
    return S3Driver(store(chosen))


def _cosi(chosen: CosiSettings, after: Sequence[pulumi.Resource]) -> CosiDriver:
    backend = Backend(driver_name=chosen.driver_name, secret=chosen.backend_secret, secret_namespace=chosen.backend_namespace)
    place = CosiPlace(endpoint=chosen.endpoint, region=chosen.region, ca_pem=chosen.ca_pem)
    return CosiDriver(backend=backend, place=place, timeout_s=chosen.ready_timeout_s, after=after)


def _system(chosen: GreenLakeSettings) -> System:
    return System(
        api_endpoint=chosen.api_endpoint,
        token_url=chosen.token_url,
        system_id=chosen.system_id,
        client_profile=chosen.client_profile,
        api_ca_pem=chosen.api_ca_pem,
        endpoint=chosen.endpoint,
        region=chosen.region,
        ca_pem=chosen.ca_pem,
    )


def store(chosen: S3Settings) -> Store:
    """The S3 server and its administrator."""
    return Store(
        endpoint=chosen.endpoint,
        iam_endpoint=chosen.iam_endpoint,
        region=chosen.region,
        ca_pem=chosen.ca_pem,
        admin_profile=chosen.admin_profile,
    )


def owner(tenancy: Tenancy) -> pulumi.Output[str]:
    """Mark with the namespace's uid: a stack of the same name elsewhere, or after a lost cluster, is another owner."""
    return pulumi.Output.format("{0}/{1}/{2}", PROJECT, pulumi.get_stack(), tenancy.uid)


def _options(chosen: ObjectStoreSettings, *, documents: bool) -> BucketOptions:
    if not isinstance(chosen, MadeStoreSettings):
        return BucketOptions(versioned=documents)
    lock = chosen.documents_lock if documents else None
    return BucketOptions(
        versioned=documents,
        compressed=chosen.compression if isinstance(chosen, GreenLakeSettings | CosiSettings) else None,
        tags=chosen.tags,
        lock=Lock(mode=lock.mode, days=lock.days) if lock is not None else None,
        encryption=chosen.encryption if isinstance(chosen, S3Settings) else None,
    )
