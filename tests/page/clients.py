"""What people use against the service, each as its own pages say: the SDK of OpenAI, LangChain, LlamaIndex. `python clients.py URL KEY`."""

import sys

from langchain_core.documents import Document  # type: ignore[import-not-found]
from langchain_core.retrievers import BaseRetriever  # type: ignore[import-not-found]
from langchain_openai import ChatOpenAI  # type: ignore[import-not-found]
from llama_index.core.llms import ChatMessage  # type: ignore[import-not-found]
from llama_index.llms.openai_like import OpenAILike  # type: ignore[import-not-found]
from openai import NotFoundError, OpenAI  # type: ignore[import-not-found]

QUESTION = "How many minutes of charging until a Lynx 60 is back at 80 percent?"
FACT, COLLECTION = "35 minutes", "handbook"


def require(text: str, what: str) -> None:
    """Stop with a sentence where the fact is not in the answer, or not cited."""
    if FACT not in text or "[1]" not in text:
        raise SystemExit(f"clients: {what} brought no cited answer: {text[:300]!r}")
    print(f"clients: {what}: as it should be")


def openai(url: str, key: str) -> None:
    """Models, an answer with annotations, a stream, an error, and /v1/search through the SDK's own connection."""
    client = OpenAI(base_url=url, api_key=key)
    if COLLECTION not in [model.id for model in client.models.list()]:
        raise SystemExit("clients: the SDK does not list the collection")
    asked = {"model": COLLECTION, "messages": [{"role": "user", "content": QUESTION}]}
    message = client.chat.completions.create(**asked).choices[0].message
    require(message.content, "openai")
    if not message.annotations or not message.annotations[0].url_citation.url.startswith("http"):
        raise SystemExit("clients: the SDK sees no annotation")
    pieces = [chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(stream=True, **asked)]
    require("".join(pieces), f"openai, streamed in {len(pieces)} pieces")
    try:
        client.chat.completions.create(**(asked | {"model": "nowhere"}))
    except NotFoundError as error:
        print(f"clients: openai, an error: {error.code}")


class Passages(BaseRetriever):  # type: ignore[misc]  # no types here
    """A retriever of LangChain over /v1/search."""

    client: object

    def _get_relevant_documents(self, query: str, **_: object) -> list[Document]:
        data = self.client.post("/search", body={"query": query, "collection": COLLECTION}, cast_to=object)["data"]  # type: ignore[attr-defined]
        return [Document(page_content=each["text"], metadata={"place": each["place"], "score": each["score"]}) for each in data]


def langchain(url: str, key: str) -> None:
    """Chat at once and streamed, and a retriever."""
    chat = ChatOpenAI(base_url=url, api_key=key, model=COLLECTION)
    require(chat.invoke(QUESTION).content, "langchain-openai")
    require("".join(chunk.content for chunk in chat.stream(QUESTION)), "langchain-openai, streamed")
    found = Passages(client=OpenAI(base_url=url, api_key=key)).invoke(QUESTION)
    require(f"{found[0].page_content} [1]", "langchain, as a retriever")


def llama_index(url: str, key: str) -> None:
    """Chat at once and streamed."""
    llm = OpenAILike(api_base=url, api_key=key, model=COLLECTION, is_chat_model=True)
    question = [ChatMessage(role="user", content=QUESTION)]
    require(llm.chat(question).message.content, "llama-index")
    require("".join(chunk.delta or "" for chunk in llm.stream_chat(question)), "llama-index, streamed")


if __name__ == "__main__":
    for ask in (openai, langchain, llama_index):
        ask(f"{sys.argv[1]}/v1", sys.argv[2])
