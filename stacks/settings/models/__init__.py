"""The model services: embedding, LLM, reranker. Every wrong combination is refused before anything is created, with its reason."""
