"""Python language host: starts the program's interpreter for the Pulumi engine, and ends it when the engine says so.

One file that imports nothing of ours, so that `install` can copy it beside `pulumi`. Refuses to install dependencies (the virtual
environment is made elsewhere) and to generate code: those calls answer UNIMPLEMENTED. Protocol: one argument that is not a flag, the
engine's address; one line on standard output, the port; then gRPC until a signal comes.
"""

# ruff: noqa: N802 - the names of the calls, and their case, are Pulumi's

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import IO

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.proto import language_pb2 as pb
from pulumi.runtime.proto import language_pb2_grpc, plugin_pb2

EXEC_SHIM = Path(__file__).resolve().parent / "pulumi-language-python-exec"
"""Runs a Pulumi program inside the SDK's event loop; comes from Pulumi's own module."""
USER_WAS_TOLD_EXIT_CODE = 32
"""The shim exits with this when it has already explained the failure to the user."""
PARENT_LOOK_S = 1.0  # between two looks whether the engine still lives
GRPC_OPTIONS = [(f"grpc.max_{way}_message_length", 400 << 20) for way in ("receive", "send")]


def interpreter(info: pb.ProgramInfo) -> str:
    """Python that runs the program: the project's `virtualenv` option, else PULUMI_PYTHON_CMD, else the one running this host."""
    virtualenv = MessageToDict(info.options).get("virtualenv") or os.environ.get("PULUMI_RUNTIME_VIRTUALENV")
    if not virtualenv:
        return os.environ.get("PULUMI_PYTHON_CMD") or sys.executable
    python = Path(info.root_directory) / virtualenv / "bin" / "python"
    if not python.exists():
        raise FileNotFoundError(
            f"Pulumi.yaml names the virtual environment {virtualenv!r}, but {python} does not exist, so the program cannot start. "
            f"Make it: python3 -m venv {python.parent.parent} && {python} -m pip install -r requirements.lock"
        )
    return str(python)


def program_command(python: str, engine: str, request: pb.RunRequest) -> list[str]:
    """Argument list that runs a Pulumi program through the SDK's shim; empty options are left out."""
    options = {
        "monitor": request.monitor_address,
        "engine": engine,
        "project": request.project,
        "root_directory": request.info.root_directory,
        "stack": request.stack,
        "pwd": request.pwd,
        "dry_run": str(request.dryRun).lower(),
        "parallel": str(request.parallel),
        "organization": request.organization,
    }
    flags = [part for name, value in options.items() if value for part in (f"--{name}", value)]
    return [python, "-u", str(EXEC_SHIM), *flags, request.info.entry_point or ".", *request.args]


def program_environment(request: pb.RunRequest) -> dict[str, str]:
    """Environment of the program: ours, and the stack's configuration (decrypted, hence never in the arguments)."""
    secret = json.dumps(list(request.configSecretKeys))
    return {**os.environ, "PULUMI_CONFIG": json.dumps(dict(request.config)), "PULUMI_CONFIG_SECRET_KEYS": secret}


def plugin_command(python: str, request: pb.RunPluginRequest) -> list[str]:
    """Argument list that runs a plugin written in Python: a policy pack (`analyzer`), or a provider."""
    program = request.info.program_directory
    if request.kind == "analyzer":
        return [python, "-u", "-m", "pulumi.policy", *request.args, program]
    return [python, "-u", program, *request.args]


def output_of(child: subprocess.Popen[bytes]) -> Iterator[tuple[str, bytes]]:
    """Chunks of both streams of a process, as (`stdout` or `stderr`, bytes), in the order in which they arrive."""
    chunks: queue.Queue[tuple[str, bytes]] = queue.Queue()
    streams = {"stdout": child.stdout, "stderr": child.stderr}

    def pump(name: str, stream: IO[bytes]) -> None:
        while chunk := os.read(stream.fileno(), 1 << 16):
            chunks.put((name, chunk))
        chunks.put((name, b""))

    for name, stream in streams.items():
        assert stream is not None, "started with pipes"  # noqa: S101 - tells the type checker; Popen was given PIPE
        threading.Thread(target=pump, args=(name, stream), daemon=True).start()
    for _ in streams:  # each ends with an empty chunk
        while (arrived := chunks.get())[1]:
            yield arrived


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """What the engine asks of a language. The names and their case are Pulumi's."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._running: set[subprocess.Popen[bytes]] = set()

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        try:
            return child.wait()
        finally:
            self._running.discard(child)

    def end(self) -> None:
        """Ask every process that this host started to stop."""
        for child in list(self._running):
            with suppress(ProcessLookupError):
                child.terminate()

    def Handshake(self, _request: pb.LanguageHandshakeRequest, _context: grpc.ServicerContext) -> pb.LanguageHandshakeResponse:
        """Nothing to agree on."""
        return pb.LanguageHandshakeResponse()

    def GetPluginInfo(self, _request: Empty, _context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Version of the SDK beside which this host runs."""
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def GetRequiredPackages(
        self, _request: pb.GetRequiredPackagesRequest, _context: grpc.ServicerContext
    ) -> pb.GetRequiredPackagesResponse:
        """None: plugins are installed beforehand, so nothing may be downloaded here."""
        return pb.GetRequiredPackagesResponse()

    def About(self, _request: pb.AboutRequest, _context: grpc.ServicerContext) -> pb.AboutResponse:
        """For `pulumi about`."""
        return pb.AboutResponse(executable=sys.executable, version=sys.version.split()[0])

    def Run(self, request: pb.RunRequest, context: grpc.ServicerContext) -> pb.RunResponse:
        """Run the program to its end; it inherits our streams, which the engine shows."""
        try:
            command = program_command(interpreter(request.info), self._engine, request)
        except FileNotFoundError as error:
            return pb.RunResponse(error=str(error))
        child = subprocess.Popen(command, env=program_environment(request))
        self._running.add(child)
        context.add_callback(child.terminate)
        code = self._wait(child)
        if code == USER_WAS_TOLD_EXIT_CODE:
            return pb.RunResponse(bail=True)
        return pb.RunResponse(error="" if code == 0 else f"program exited with code {code}")

    def RunPlugin(self, request: pb.RunPluginRequest, context: grpc.ServicerContext) -> Iterator[pb.RunPluginResponse]:
        """Run a policy pack or provider, passing its streams on, then its exit code."""
        environment = {**os.environ, **dict(pair.split("=", 1) for pair in request.env)}
        command = plugin_command(interpreter(request.info), request)
        child = subprocess.Popen(
            command, env=environment, cwd=request.pwd or None, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._running.add(child)
        context.add_callback(child.terminate)
        for name, chunk in output_of(child):
            yield pb.RunPluginResponse(stdout=chunk) if name == "stdout" else pb.RunPluginResponse(stderr=chunk)
        yield pb.RunPluginResponse(exitcode=self._wait(child))

    def Cancel(self, _request: Empty, _context: grpc.ServicerContext) -> Empty:
        """End what runs."""
        self.end()
        return Empty()


def main() -> None:
    """Serve until a signal comes or the engine is gone (killed, it sends none: the parent changes), then end the children."""
    parent = os.getppid()  # before the engine knows that we run: it may be killed the moment after
    addresses = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    host = LanguageHost(addresses[-1] if addresses else "")
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=64), options=GRPC_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not ended.wait(PARENT_LOOK_S) and os.getppid() == parent:
        pass
    host.end()
    server.stop(grace=None).wait()


if __name__ == "__main__":
    main()
