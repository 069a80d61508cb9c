"""A bucket with its credential as the settings ask for it."""

import pulumi

from components.stores import DOCUMENTS, MILVUS, BucketOptions, Connection, Lock, ObjectStore, ObjectStoreArgs, Store
from components.stores.cosi import Backend, CosiStore
from components.stores.existing import ExistingStore, Place
from components.stores.greenlake import GreenLakeStore, GreenLakeSystem
from components.stores.s3 import S3Server, S3Store
from components.tenancy import Tenancy
from stacks.problems import PROJECT
from stacks.settings import Settings
from stacks.settings import object_store as drivers

SETTINGS = f"{PROJECT}:object_store"  # group of settings that a store's messages name


def declare(settings: Settings, tenancy: Tenancy) -> tuple[ObjectStore, ObjectStore]:
    """Milvus's own, unversioned and unlocked, since its garbage collection has to delete; and that of the originals.

    This one is versioned, locked where the settings say so, and made after the first, as a store may not make two at once.
    """
    chosen = settings.object_store
    secrets = (chosen.milvus_secret, chosen.documents_secret) if isinstance(chosen, drivers.ExistingSettings) else ("", "")
    first = ObjectStore("milvus-store", _args(settings, tenancy, _store(chosen, secrets[0]), documents=False))
    return first, ObjectStore("documents-store", _args(settings, tenancy, _store(chosen, secrets[1], first), documents=True))


def _args(settings: Settings, tenancy: Tenancy, store: Store, *, documents: bool) -> ObjectStoreArgs:
    chosen, options = settings.object_store, BucketOptions(versioned=documents)
    if isinstance(chosen, drivers.MadeStoreSettings):
        lock = chosen.documents_lock if documents else None
        options = BucketOptions(
            versioned=documents,
            compressed=chosen.compression if isinstance(chosen, drivers.GreenLakeSettings | drivers.CosiSettings) else None,
            tags=chosen.tags,
            lock=Lock(**lock.model_dump()) if lock is not None else None,
            encryption=chosen.encryption if isinstance(chosen, drivers.S3Settings) else None,
        )
    return ObjectStoreArgs(
        store=store,
        bucket=settings.documents_bucket if documents else settings.milvus_bucket,
        options=options,
        permissions=DOCUMENTS if documents else MILVUS,
        owner=owner(tenancy),
        namespace=tenancy.namespace,
        retain=not chosen.deletes,
        generations=chosen.generations,
    )


def _store(chosen: drivers.ObjectStoreSettings, secret: str, *first: pulumi.Resource) -> Store:
    if isinstance(chosen, drivers.ExistingSettings):
        place = Place(**_connection(chosen).inputs(), secret_namespace=chosen.secret_namespace, secret_name=secret)
        return ExistingStore(place=place, settings=SETTINGS)
    if isinstance(chosen, drivers.GreenLakeSettings):
        names = {"api_endpoint", "token_url", "system_id", "client_profile"}
        system = GreenLakeSystem(**_connection(chosen).inputs(), **chosen.model_dump(include=names), api_ca_pem=chosen.api_ca_pem)
        return GreenLakeStore(system=system, settings=SETTINGS)
    if isinstance(chosen, drivers.CosiSettings):
        backend = Backend(driver_name=chosen.driver_name, secret=chosen.backend_secret, secret_namespace=chosen.backend_namespace)
        timeout_s, connection = chosen.ready_timeout_s, _connection(chosen)
        return CosiStore(backend=backend, connection=connection, timeout_s=timeout_s, after=first, settings=SETTINGS)
    return s3_store(chosen)


def _connection(chosen: drivers.ObjectStoreSettings) -> Connection:
    return Connection(endpoint=chosen.endpoint, region=chosen.region, ca_pem=chosen.ca_pem)


def s3_store(chosen: drivers.S3Settings) -> S3Store:
    """Return the S3 server and its administrator."""
    server = S3Server(**_connection(chosen).inputs(), iam_endpoint=chosen.iam_endpoint, admin_profile=chosen.admin_profile)
    return S3Store(server=server, settings=SETTINGS)


def owner(tenancy: Tenancy) -> pulumi.Output[str]:
    """Mark with the namespace's uid: a stack of the same name elsewhere, or after a lost cluster, is another owner."""
    return pulumi.Output.format("{0}/{1}/{2}", PROJECT, pulumi.get_stack(), tenancy.uid)
