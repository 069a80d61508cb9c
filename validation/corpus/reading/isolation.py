"""Reads one file after the other in a process of its own, which is started when it is first needed, and anew when it had to be ended.

The process has bounded memory, no way to write a file, and nothing of the parent's environment. One JSON line asks (`path`, `suffix`,
`caption`, `sha256`), one JSON line answers: the document, or `unreadable` with the reason.
"""

import hashlib
import json
import os
import resource
import select
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Self

from validation.clients.passages import Parsed, Section
from validation.corpus.reading import MIB, Limits, UnreadableError
from validation.corpus.reading.read import read

_HOME = Path(__file__).parents[3]


class IsolatedReader:
    """One process; use it from one thread at a time, and as a context manager."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def read(self, path: Path, suffix: str, caption: str, sha256: str) -> Parsed:
        """Return what is in the file, whose bytes have that sha256; UnreadableError when it is too slow, too large, or kills its reader."""
        question = json.dumps({"path": str(path.resolve()), "suffix": suffix, "caption": caption, "sha256": sha256})
        try:
            answer = self._ask(question.encode() + b"\n")
        except BaseException:
            self.__exit__()
            raise
        if "unreadable" in answer:
            raise UnreadableError(answer["unreadable"])
        sections = list[Section]()
        for each in answer["sections"]:
            tables = tuple((first, last) for first, last in each.pop("tables"))
            sections.append(Section(path=tuple(each.pop("path")), paragraphs=tuple(each.pop("paragraphs")), tables=tables, **each))
        return Parsed(title=answer["title"], sections=tuple(sections), notes=tuple(answer["notes"]), pages=answer["pages"])

    def _ask(self, line: bytes) -> dict[str, Any]:
        if self._process is None:
            search = os.pathsep.join([str(_HOME), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
            command = [sys.executable, "-m", "validation.corpus.reading.isolation", str(self._limits.memory_mib * MIB)]
            environment = {"PYTHONPATH": search, "PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"}
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self._process = subprocess.Popen(command, env=environment, cwd=_HOME, **pipes)
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise TypeError
        try:
            process.stdin.write(line)
            process.stdin.flush()
            return dict(json.loads(self._line(process.stdout)))
        except (BrokenPipeError, ValueError):
            code = process.wait(timeout=self._limits.seconds)
            raise UnreadableError(f"ended the process that read it (exit {code}): out of memory, or an attack on the reader") from None

    def _line(self, pipe: IO[bytes]) -> bytes:
        """Return one line; the bound on time is for all of it."""
        deadline, line = time.monotonic() + self._limits.seconds, bytearray()
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                raise UnreadableError(f"was not read within {self._limits.seconds:g} s; split it, or save it anew")
            piece = os.read(pipe.fileno(), 1 << 16)
            line += piece
            if not piece:
                break
            if len(line) > self._limits.most_text_mib * MIB:
                raise UnreadableError(f"holds more than {self._limits.most_text_mib:g} MiB of text; split it")
        return bytes(line)


def main() -> None:
    """Answer until the parent closes its end."""
    for limit, most in ((resource.RLIMIT_AS, int(sys.argv[1])), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (most, most))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        try:
            body = Path(asked["path"]).read_bytes()
            is_same = hashlib.sha256(body).hexdigest() == asked["sha256"]
            parsed = asdict(read(body, asked["suffix"], asked["caption"])) if is_same else None
            answer = json.dumps(parsed or {"unreadable": "was changed while it was read; run again"})
        except (UnreadableError, OSError) as error:
            answer = json.dumps({"unreadable": str(error)})
        except MemoryError:
            answer = json.dumps({"unreadable": "needs more memory than a reader may have; split it"})
        answers.write(answer.encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
