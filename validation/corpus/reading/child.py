"""The process in which files are read that may be hostile: bounded memory, no way to write a file, nothing of the parent's environment.

One JSON line asks (`path`, `suffix`, `caption`, `sha256`), one JSON line answers: the document, or `unreadable` with the reason.
"""

import hashlib
import json
import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path

from validation.corpus.reading.read import read
from validation.corpus.reading.unreadable import UnreadableError


def main() -> None:
    """Answer until the parent closes its end."""
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    for line in sys.stdin.buffer:
        answers.write(_answer(**json.loads(line)) + b"\n")
        answers.flush()


def _answer(path: str, suffix: str, caption: str, sha256: str) -> bytes:
    try:
        body = Path(path).read_bytes()
        if hashlib.sha256(body).hexdigest() != sha256:
            return json.dumps({"unreadable": "was changed while it was read; run again"}).encode()
        return json.dumps(asdict(read(body, suffix, caption))).encode()
    except (UnreadableError, OSError) as error:
        return json.dumps({"unreadable": str(error)}).encode()
    except MemoryError:
        return json.dumps({"unreadable": "needs more memory than a reader may have; split it"}).encode()


if __name__ == "__main__":
    main()
