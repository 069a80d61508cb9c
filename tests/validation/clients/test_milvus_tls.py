"""A Milvus behind TLS with a private authority: real gRPC over real certificates, right ones and wrong ones."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from pymilvus.grpc_gen import milvus_pb2_grpc  # type: ignore[import-untyped]  # pymilvus ships no types

from tests import certificates
from tests.certificates import Made
from tests.pymilvus_searcher import Searcher
from tests.validation.clients.test_target import OUTPUTS
from tests.validation.load.test_workers import Milvus
from tests.validation.services import KubernetesApi
from validation.clients import kube, milvus
from validation.clients.connect import Connector
from validation.clients.milvus_connection import Tls
from validation.clients.searcher import RawSearcher
from validation.clients.target import Target
from validation.judge.errors import UnreachableError, UsageError
from validation.judge.profile import Profile

NAME = "milvus.rag.svc.cluster.local"
VECTOR = np.ones(8, dtype=np.float32)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return certificates.make(tmp_path_factory.mktemp("ca"), "authority")


@pytest.fixture(scope="module")
def listeners(authority: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """One Milvus with a listener for each certificate: `good` and `old`."""
    folder = tmp_path_factory.mktemp("tls")
    with ExitStack() as running:
        server = grpc.server(running.enter_context(ThreadPoolExecutor(4)))
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(Milvus(), server)
        addresses = {}
        for kind, days in (("good", 365), ("old", -1)):
            made = certificates.make(folder, kind, hosts=(NAME,), days=days, issuer=authority)
            own = grpc.ssl_server_credentials([(made.key_file.read_bytes(), made.crt_file.read_bytes())])
            addresses[kind] = f"https://127.0.0.1:{server.add_secure_port('127.0.0.1:0', own)}"
        server.start()
        yield addresses
        server.stop(grace=1).wait()


def trusting(authority: Made, **fields: Any) -> Tls:
    return Tls(**{"ca_file": authority.crt_file, "server_name": NAME, "origin": "ConfigMap milvus-ca in rag", **fields})


def test_with_the_right_authority_every_client_speaks_with_milvus(listeners: dict[str, str], authority: Made, profile: Profile) -> None:
    tls, uri = trusting(authority), listeners["good"]
    with closing(milvus.connect(uri, "default", tls=tls)) as store:
        assert store.tls == tls

    async def found() -> list[list[int]]:
        kinds: tuple[Any, ...] = (Searcher, RawSearcher)
        answers = []
        for kind in kinds:
            async with kind(uri=uri, database="default", collection="gate_x", search=profile.search, limit=3, tls=tls) as searcher:
                answers.append(await searcher.send(searcher.prepare(VECTOR, "")))
        return answers

    assert asyncio.run(found()) == [[3, 1, 2], [3, 1, 2]]


def test_another_authority_is_red_and_the_message_says_which_one_was_trusted(
    listeners: dict[str, str], authority: Made, tmp_path: Path
) -> None:
    other = certificates.make(tmp_path, "other")
    with pytest.raises(UnreachableError, match=r"not trusted: .*trusted is the authority in ConfigMap milvus-ca in rag; put .*pulumi up"):
        milvus.connect(listeners["good"], "default", tls=trusting(authority, ca_file=other.crt_file))


def test_without_the_private_authority_the_public_ones_are_said_not_to_do(listeners: dict[str, str]) -> None:
    with pytest.raises(UnreachableError, match=r"not trusted: .*trusted are the public authorities alone; .*tls\.ca_file"):
        milvus.connect(listeners["good"], "default", tls=Tls(server_name=NAME))


def test_a_certificate_that_is_over_is_red_and_says_so(listeners: dict[str, str], authority: Made) -> None:
    with pytest.raises(UnreachableError, match="not trusted: certificate has expired; renew the certificate in the Secret"):
        milvus.connect(listeners["old"], "default", tls=trusting(authority))


def test_a_certificate_of_another_name_is_red_and_says_which_name_it_must_carry(listeners: dict[str, str], authority: Made) -> None:
    with pytest.raises(UnreachableError, match=r"not trusted: .*its certificate must name 127\.0\.0\.1"):
        milvus.connect(listeners["good"], "default", tls=trusting(authority, server_name=""))


def test_a_server_without_tls_behind_an_https_address_is_told(authority: Made, models_url: str) -> None:
    plain = models_url.removesuffix("/v1").replace("http://", "https://")
    with pytest.raises(UnreachableError, match=r"does not speak TLS .*should its address begin with http://\?"):
        milvus.connect(plain, "default", tls=trusting(authority))


def test_a_file_without_a_certificate_is_a_mistake_of_the_settings(listeners: dict[str, str], authority: Made, tmp_path: Path) -> None:
    broken = tmp_path / "ca.crt"
    broken.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    with pytest.raises(UsageError, match=r"ConfigMap milvus-ca in rag holds no usable certificate .*tls\.ca_file"):
        milvus.connect(listeners["good"], "default", tls=trusting(authority, ca_file=broken))


def test_the_authority_is_that_of_the_config_map_and_the_name_that_of_the_service(kubernetes_api: KubernetesApi, authority: Made) -> None:
    kubernetes_api.objects["configmaps/milvus-ca"] = {"metadata": {"name": "milvus-ca"}, "data": {"ca.crt": authority.pem}}
    target = Target.model_validate({**OUTPUTS, "milvus_uri": f"https://{NAME}:19530", "milvus_ca_config_map": "milvus-ca"})
    with ExitStack() as closing_all:
        kubernetes = closing_all.enter_context(closing(kube.connect()))
        connector = Connector(target=target, kubernetes=kubernetes, closing=closing_all, secrets=[])
        found = connector.milvus_tls("https://10.96.0.7:19530")
        assert found.ca_file is not None
        assert found.ca_file.read_text() == authority.pem
        assert found.server_name == NAME
        assert connector.milvus_tls(target.milvus_uri).server_name == ""
        with pytest.raises(UsageError, match=r"404 .*ConfigMap absent in rag"):
            replace(connector, target=target.model_copy(update={"milvus_ca_config_map": "absent"})).milvus_tls(target.milvus_uri)
