"""The plugin's process: prints its port, serves until a signal comes, leaves no file behind.

Protocol: one argument that is not a flag, the engine's address; one line on standard output, the port.
"""

import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
from concurrent import futures
from importlib import metadata
from pathlib import Path

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from .provider import Provider

MAX_CALLS = 1024
"""More than any engine has under way: waiting calls must leave room for Cancel."""
PARENT_LOOK_S = 1.0
"""Seconds between two looks whether the engine still lives."""
MESSAGE_LIMIT_BYTES = 400 << 20
GRPC_OPTIONS = [("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES), ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES)]


def main() -> None:
    """Serve until the engine ends us."""
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its retry notes would appear as the plugin's errors
    addresses = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    cancelled, ended = threading.Event(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    private = Path(tempfile.mkdtemp(prefix="pulumi-kubernetes-"))  # mode 0700
    tempfile.tempdir = str(private)  # the client writes keys from the kubeconfig to temporary files
    try:
        serve(addresses[-1] if addresses else "", private, cancelled, ended)
    finally:
        shutil.rmtree(private, ignore_errors=True)


def serve(engine_address: str, private: Path, cancelled: threading.Event, ended: threading.Event) -> None:
    """Print the port, then answer until `ended` or the engine is gone; waits under way are cancelled first.

    An engine that was killed sends no signal, but its children get another parent.
    """
    parent = os.getppid()  # before the engine knows that we run: it may be killed the moment after
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=MAX_CALLS), options=GRPC_OPTIONS)
    provider = Provider(metadata.version("pulumi-kubernetes"), engine_address, private, cancelled)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not ended.wait(PARENT_LOOK_S) and os.getppid() == parent:
        pass
    cancelled.set()
    server.stop(grace=3).wait()
