"""The lab's stand-ins for an embedding and an LLM service: OpenAI-compatible on the wire, small and deterministic inside.

Owns: fitting the embedder on the sample corpus (`fit`), serving it (`embedder`), and a reader that answers with sentences
of the sources it was given (`reader`). In the repository the package is `lab.services`; in the image it is `services`, so
it imports nothing of ours and refers to itself relatively. Refuses to pass for a language model: `/v1/models` answers
`owned_by: "lab stand-in"`, and the reader can only quote.
"""

import os

# Before numpy is imported, the only moment at which it counts: OpenBLAS would start a thread per core of the node, not of
# the pod, and the order of a threaded sum would change the last bits of the fitted model.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
