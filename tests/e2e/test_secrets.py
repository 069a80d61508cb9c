"""No secret anywhere it does not belong: every place is searched for the real keys."""

import base64
import configparser
import json
import subprocess
import tempfile
from pathlib import Path

import pytest

from lab.places import LOGS, PKI, REPOSITORY, STATE
from lab.project import PASSPHRASE
from tests.e2e.lab import Lab
from tests.e2e.leaks import KINDS, search, search_as

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


@pytest.fixture(scope="module")
def secrets(lab: Lab) -> dict[str, str]:
    """Return every real secret of the lab by name."""
    outputs = lab.outputs()
    found = {"passphrase": PASSPHRASE.read_text().strip()}
    names = ("milvus_secret_name", "documents_secret_name", "embedding_secret_name", "llm_secret_name")
    for name in (outputs[each] for each in names):
        data = lab.kubectl("-n", outputs["namespace"], "get", "secret", name)["data"]
        found |= {f"{name}/{key}": base64.b64decode(value).decode() for key, value in data.items()}
    parser = configparser.ConfigParser()
    parser.read(PKI / "credentials")
    found |= {f"administrator/{key}": value for key, value in parser["lab-admin"].items()}
    assert len(found) == 9
    assert min(map(len, found.values())) >= 16
    return found


@pytest.fixture(scope="module")
def _one_report(lab: Lab) -> None:
    """Leave a report, since a lab that was up before may have been judged from another checkout."""
    nowhere = REPOSITORY / "build" / "reports" / "no-profile"
    assert lab.gate("lab", "--slo", "no-such-file.yaml", "--out", str(nowhere), "--quiet").code == 2


@pytest.mark.usefixtures("_one_report")
def test_no_secret_is_in_any_place_that_others_read(lab: Lab, secrets: dict[str, str]) -> None:
    seen, leaks = search(lab, secrets)
    assert seen == KINDS
    assert not leaks


def test_the_search_would_have_found_a_secret(lab: Lab, secrets: dict[str, str]) -> None:
    held = json.dumps(lab.kubectl("-n", "rag", "get", "secrets")).encode()
    assert base64.b64encode(secrets["milvus-store/secret_key"].encode()) in held


def test_files_that_hold_a_secret_are_readable_by_root_alone(lab: Lab) -> None:
    assert lab.outputs()["namespace"] == "rag"
    for path in (STATE, PASSPHRASE, PKI / "credentials", STATE / "admin.kubeconfig", *PKI.glob("*.key")):
        assert path.stat().st_mode & 0o077 == 0, path


OTHERS = {"nobody": 65534, "the first user of the node": 1000}


@pytest.mark.parametrize("user", OTHERS.values(), ids=OTHERS)
def test_another_user_of_the_machine_reads_no_secret(secrets: dict[str, str], user: int) -> None:
    """In what any process was started with, in the files of containers, and in the lab's folders."""
    seen, leaks = search_as(user, secrets, STATE, LOGS, Path("/run"), REPOSITORY / "build" / "reports")
    assert leaks == []
    assert seen["arguments"] > 20, "the processes of the lab were not seen"


def test_the_search_as_another_user_would_have_found_a_secret() -> None:
    needle, user = "planted-" + "x7" * 12, OTHERS["nobody"]
    command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "sh", "-c", "sleep 60; :", needle]
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(command, env={"PLANTED": needle}) as process:
        try:
            Path(folder).chmod(0o755)
            (Path(folder) / "file").write_text(f"key={needle}")
            (Path(folder) / "closed").write_text(f"key={needle}")
            (Path(folder) / "closed").chmod(0o600)
            seen, leaks = search_as(user, {"planted": needle}, Path(folder))
        finally:
            process.terminate()
    assert seen["file"] == 1
    places = ("environment /proc/{}/environ", "arguments /proc/{}/cmdline")
    for place in (*(each.format(process.pid) for each in places), f"file {folder}/file"):
        assert f"planted in {place}" in leaks
    assert needle not in "".join(leaks)
