"""AN EMULATOR of the HPE GreenLake Object Storage REST API (`v1alpha1`) of an X10000, on the lab's own S3 and IAM servers.

Real: buckets, users and policies take effect on the S3 server, so a user made here can sign S3 requests there, its name being its
access key; mutations are asynchronous tasks; tokens expire; lists are paged. Not real: everything else of an X10000. It claims no
more than the published API says: `openapi.json` is the structure (paths, parameters, schemas; no prose) of HPE's OpenAPI description
of object storage, version 1.1.0, as published on developer.greenlake.hpe.com; every request and every answer is validated against it.
What that does not describe (token, task, 404) follows HPE's own COSI driver.

Command line: `python -m tests.emulators.greenlake --listen HOST:PORT ...`. No secret is an argument: they are read from files.
"""

import argparse
import configparser
import logging
import sys
from pathlib import Path

import uvicorn

from tests.emulators.greenlake.app import ABOUT, Emulator
from tests.emulators.greenlake.backend import Backend, Servers
from tests.emulators.greenlake.tasks import Tasks
from tests.emulators.greenlake.tokens import Tokens


def main() -> None:
    """Serve until SIGTERM."""
    chosen = _parser().parse_args()
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger(__name__).info("%s", ABOUT)
    host, _, port = chosen.listen.rpartition(":")
    uvicorn.run(
        _emulator(chosen).application(),
        host=host,
        port=int(port),
        ssl_certfile=chosen.cert,
        ssl_keyfile=chosen.key,
        log_config=None,
        server_header=False,
        lifespan="off",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="greenlake", description="Emulates HPE GreenLake Object Storage on a real S3 and IAM server.")
    for option, text in (
        ("listen", "HOST:PORT to serve on"),
        ("s3", "https://host:port of the S3 server"),
        ("iam", "https://host:port of its IAM server"),
        ("system", "id of the storage system"),
    ):
        parser.add_argument(f"--{option}", required=True, help=text)
    for option, text in (
        ("cert", "certificate to serve with"),
        ("key", "its key"),
        ("ca", "CA of S3 and IAM server"),
        ("administrator", "credentials file of their administrator"),
        ("client", "file with the API client's id and secret"),
        ("home", "folder for what S3 and IAM have no place for"),
        ("iam-folder", "folder of the IAM server"),
    ):
        parser.add_argument(f"--{option}", required=True, type=Path, help=text)
    return parser


def _emulator(chosen: argparse.Namespace) -> Emulator:
    administrator, client = _first_section(chosen.administrator), _first_section(chosen.client)
    key = administrator["aws_access_key_id"], administrator["aws_secret_access_key"]
    servers = Servers(s3=chosen.s3, iam=chosen.iam, ca_file=chosen.ca, administrator=key, iam_folder=chosen.iam_folder)
    return Emulator(Backend(servers, chosen.home), Tokens(client["client_id"], client["client_secret"]), chosen.system, Tasks(polling_s=1))


def _first_section(path: Path) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(path)
    return parser[parser.sections()[0]]


if __name__ == "__main__":
    main()
