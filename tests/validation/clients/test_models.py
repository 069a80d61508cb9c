"""The gate's way to model services: keys, certificates, and what each wrong answer is told as."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from tests import certificates
from tests.validation.clients.test_target import OUTPUTS
from tests.validation.services import KubernetesApi, Models, serving
from validation.clients import kube
from validation.clients.connect import Connector
from validation.clients.http import Access, BusyError
from validation.clients.llm import LanguageModel
from validation.clients.retrieval_models import EmbeddingService, Reranker
from validation.clients.target import Target
from validation.judge.errors import GateError, InvalidRunError, UsageError


def wanting(key: str) -> Callable[[Request], Response | None]:
    """Refuse whoever does not send this key."""

    def check(request: Request) -> Response | None:
        is_right = request.headers.get("authorization") == f"Bearer {key}"
        return None if is_right else JSONResponse({"error": {"message": "bad key"}}, 401)

    return check


def check_embedding(url: str, access: Access | None = None, times: int = 1) -> None:
    with closing(EmbeddingService(url, "tiny", 64, access)) as service:
        for _ in range(times):
            service.check()


def check_llm(url: str, context_tokens: int = 256) -> None:
    with closing(LanguageModel(url, "tiny", 5)) as model:
        model.check(context_tokens)


def check_reranker(url: str) -> None:
    with closing(Reranker(url, "tiny")) as reranker:
        reranker.check()


def failing(status: int, text: str = "", **headers: str) -> Callable[[Request], Response]:
    return lambda _: Response(text, status, headers=headers)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (failing(401, "no key"), UsageError, ["status 401: no key", "not the one it wants", "kubectl create secret generic"]),
        (failing(403), UsageError, ["status 403", "ask whoever runs the service"]),
        (failing(413), UsageError, ["status 413", "payload-limit"]),
        (failing(429, "slow down"), BusyError, ["status 429: slow down", "refuses for load:"]),
        (failing(429, **{"retry-after": "20"}), BusyError, ["asks to wait 20 s"]),
        (failing(500, "boom"), InvalidRunError, ["status 500: boom"]),
        (lambda _: HTMLResponse("<html>Sign in</html>"), InvalidRunError, ["a web page", "portal or a proxy", "usually ending in /v1"]),
    ],
)
def test_a_wrong_answer_is_told_with_its_cure(
    models_server: Models, models_url: str, answer: Callable[[Request], Response], kind: type[GateError], words: list[str]
) -> None:
    models_server.everything = answer
    for check in (check_embedding, check_llm, check_reranker):
        with pytest.raises(kind) as caught:
            check(models_url)
        assert [word for word in words if word not in str(caught.value)] == []


def test_a_model_that_is_not_there_is_told_from_an_address_that_is_not(models_server: Models, models_url: str) -> None:
    models_server.embeddings = lambda _: JSONResponse(
        {"error": {"message": "The model 'tiny' does not exist", "code": "model_not_found"}}, 404
    )
    with pytest.raises(UsageError, match=r"status 404: .*model_not_found.*the name that the service lists under /models"):
        check_embedding(models_url)
    with pytest.raises(UsageError, match=r"no list of models at .*/other/models.*usually with /v1"):
        check_llm(models_url.replace("/v1", "/other"), 256)


def test_a_service_without_a_list_of_models_is_known_by_the_name_in_its_answers(models_server: Models, models_url: str) -> None:
    models_server.everything = lambda request: Response(status_code=404) if request.url.path == "/v1/models" else None
    check_embedding(models_url)
    check_reranker(models_url)
    models_server.model = "other"
    with pytest.raises(InvalidRunError, match=r"model 'other', declared is 'tiny': an index of one model"):
        check_embedding(models_url)


def test_a_context_shorter_than_declared_is_refused(models_server: Models, models_url: str) -> None:
    for entry in ({"max_model_len": 2048}, {"meta": {"n_ctx": 2048, "n_ctx_train": 32768}}):  # vLLM, llama.cpp
        models_server.entry = entry
        check_llm(models_url, 2048)
        with pytest.raises(InvalidRunError, match=r"reads 2048 tokens, declared are 4096"):
            check_llm(models_url, 4096)


def test_a_service_that_does_not_say_what_it_reads_is_noted(models_server: Models, models_url: str) -> None:
    models_server.entry = {"meta": {"n_ctx_train": 32768}}
    with closing(LanguageModel(models_url, "tiny", 5)) as model:
        model.check(4096)
    assert "llm.context_tokens 4096 is not verified" in "".join(model.notes)


def test_a_key_that_was_rotated_is_read_once_more_and_the_request_goes_through(models_server: Models, models_url: str) -> None:
    keys, read = iter(["old", "new", "never"]), list[str]()

    def read_key() -> str:
        read.append(next(keys))
        return read[-1]

    models_server.everything = wanting("new")
    check_embedding(models_url, Access(read_key=read_key), times=2)
    assert read == ["old", "new"]


def test_a_key_that_is_still_wrong_after_it_was_read_again_is_told(models_server: Models, models_url: str) -> None:
    models_server.everything = wanting("right")
    read = list[str]()

    def read_key() -> str:
        read.append("wrong")
        return read[-1]

    with pytest.raises(UsageError, match="status 401"):
        check_embedding(models_url, Access(read_key=read_key))
    assert len(read) == 2


@pytest.fixture
def models_server(request: pytest.FixtureRequest) -> Models:
    """Name the server otherwise than the module under test."""
    found: Models = request.getfixturevalue("models")
    return found


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    made = certificates.make(folder)
    made.crt_file.rename(folder / "tls.crt")
    made.key_file.rename(folder / "tls.key")
    return folder


@pytest.fixture
def tls_url(ca: Path) -> Iterator[str]:
    with serving(Models().app(), ca) as address:
        yield f"{address}/v1"


def test_a_private_authority_that_is_named_is_trusted_and_one_that_is_not_is_refused(tls_url: str, ca: Path) -> None:
    check_embedding(tls_url, Access(ca_pem=(ca / "tls.crt").read_text()))
    with pytest.raises(UsageError, match=r"not trusted \(self-signed certificate\).*external\.ca_file.*openssl s_client"):
        check_embedding(tls_url)


def test_a_certificate_is_checked_against_the_name_and_not_against_the_address_it_became(tls_url: str, ca: Path) -> None:
    pem = (ca / "tls.crt").read_text()
    with pytest.raises(UsageError, match=r"certificate is not valid for 'models\.example\.net'"):
        check_embedding(tls_url, Access(ca_pem=pem, server_name="models.example.net"))


def not_ready(kubernetes_api: KubernetesApi) -> None:
    kubernetes_api.add_pod("embedding-0", "e:1", "sha256:abc")
    pod = kubernetes_api.objects["pods"]["items"][0]
    pod["metadata"]["namespace"] = "rag"
    pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]


def test_the_last_words_of_a_pod_that_is_not_ready_are_told(kubernetes_api: KubernetesApi) -> None:
    not_ready(kubernetes_api)
    api = kube.connect()
    url = "http://embedding.rag.svc.cluster.local:8080/v1"
    assert "nothing yet; see why: kubectl describe pod" in api.last_words(url)
    kubernetes_api.logs["embedding-0 previous"] = "loading\nCUDA out of memory\n"
    assert api.last_words(url) == "pod embedding-0 said last: loading | CUDA out of memory"
    kubernetes_api.logs["embedding-0"] = "loading"
    assert api.last_words(url) == "pod embedding-0 said last: loading"
    assert api.last_words("https://models.example.net/v1") == ""
    api.close()


def test_an_api_key_comes_from_the_secret_and_one_that_is_missing_is_told_with_its_cure(kubernetes_api: KubernetesApi) -> None:
    kubernetes_api.add_secret("embedding-api-key", api_key="s3cr3t\n")
    kubernetes_api.add_secret("empty", other="x")
    api = kube.connect()
    assert api.api_key("rag", "embedding-api-key") == "s3cr3t"
    with pytest.raises(UsageError, match=r"no api_key; .*kubectl -n rag create secret generic empty"):
        api.api_key("rag", "empty")
    api.close()


@pytest.fixture
def connector(tls_url: str, kubernetes_api: KubernetesApi) -> Iterator[Connector]:
    """Yield what connects to an embedding service outside, behind a private authority and a key, and to a reranker."""
    kubernetes_api.add_secret("key", api_key="k3y")
    outside = {"embedding_url": tls_url, "embedding_secret_name": "key", "embedding_ca_config_map": "ca"}
    reranker = {"url": tls_url, "model": "tiny", "secret_name": "key", "ca_config_map": "ca"}
    target = Target.model_validate(OUTPUTS | outside | {"llm_url": tls_url, "llm_ca_config_map": "ca", "reranker": reranker})
    with ExitStack() as stack, closing(kube.connect()) as kubernetes:
        yield Connector(target=target, kubernetes=kubernetes, closing=stack, secrets=[])


def test_an_external_service_is_reached_with_the_key_and_the_authority_that_the_outputs_name(
    connector: Connector, kubernetes_api: KubernetesApi, ca: Path
) -> None:
    kubernetes_api.objects["configmaps/ca"] = {"metadata": {"name": "ca"}, "data": {"ca.crt": (ca / "tls.crt").read_text()}}
    connector.check(connector.models(llm_timeout_s=30))
    assert "k3y" in connector.secrets, "so that no report shows it"


def test_an_authority_that_the_outputs_name_and_that_is_not_there_is_told(connector: Connector) -> None:
    with pytest.raises(UsageError, match="ConfigMap ca in rag"):
        connector.models(llm_timeout_s=30)


def test_a_reranker_that_ranks_nothing_right_or_answers_no_order_is_refused(models_server: Models, models_url: str) -> None:
    wrong = {
        r"without a usable order": {"scores": [1]},
        r"positions \[1, 1\], which are no order of 2 texts": [{"index": 1, "score": 1}, {"index": 1, "score": 0}],
        r"about lunch above the answer": [{"index": 0, "score": 0.9}, {"index": 1, "score": 0.1}],
    }
    for words, answer in wrong.items():
        models_server.rerank = lambda _, answer=answer: JSONResponse(answer)
        with pytest.raises(InvalidRunError, match=words):
            check_reranker(models_url)
