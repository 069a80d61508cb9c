"""Give Milvus a new key at the store without an outage there: a second user with its own key first, the old one goes last.

Steps: ask for the next generation; `pulumi up` makes a user beside the old one, switches the Secret and rolls the pods; the new key is
tried at the store and every pod of Milvus must be ready with it; only then the old user is removed, and its key must be refused.
A run that was killed is completed by the next one, from wherever it stood; a second rotation never begins before the first has ended.
It works with any store whose users have one key, since the second key has a user of its own. The documents' key changes with it.

Exit codes: 0 done, 1 the store does not do what it should (the old key stays valid then), 2 wrong usage or settings, 4 `pulumi up` failed.

For example:

    python -m stacks rotate prod
"""

import json
import subprocess
import time
from typing import Any

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError

from components.milvus_values import CREDENTIAL_ANNOTATION
from components.s3.client import configuration, verifying
from stacks import pulumi_cli, rotation
from stacks.commands import EnvironmentName, chosen
from stacks.environments import Environment
from stacks.rotation import Plan
from stacks.settings.stores import MadeStoreSettings

_REFUSED = {"InvalidAccessKeyId", "AccessDenied", "SignatureDoesNotMatch", "403"}
_TRIES, _PAUSE_S = 30, 2


def run(environment: EnvironmentName) -> None:
    """Rotate Milvus's key."""
    found = chosen(environment)
    if not isinstance(found.settings.object_store, MadeStoreSettings):
        by_hand = "put the new one into the Secret that the settings name, raise object_store.credential_generation, then `pulumi up`"
        _stop(2, f"the keys are yours: {by_hand}")
    keys = _keys(environment)
    left = rotation.plan(found.settings.object_store.generations, set(keys))
    _tell(f"from generation {left.old} to {left.new}: {', '.join(left.steps)}")
    if "raise" in left.steps:
        pulumi_cli.configure(environment, "object_store.credential_generation", left.new)
    if "switch" in left.steps:
        _up(environment)
        keys |= _keys(environment)
    _require_in_use(found, keys[left.new])
    if "revoke" in left.steps:
        pulumi_cli.configure(environment, "object_store.revoked_generation", left.new - 1)
    _up(environment)
    _require_ended(found, keys, left)


def _keys(environment: str) -> dict[int, dict[str, str]]:
    """Key and generation mark of each credential in the state, in clear, for this process alone."""
    found = pulumi_cli.credentials(pulumi_cli.resources(environment, secrets=True))
    names = ("access_key", "secret_key", "generation")
    return {number: {name: _plain(outputs.get(name)) for name in names} for number, outputs in found.items()}


def _plain(value: Any) -> str:  # noqa: ANN401  whatever the state holds
    return str(json.loads(value["plaintext"])) if isinstance(value, dict) else str(value)


def _require_in_use(found: Environment, key: dict[str, str]) -> None:
    """Refuse to go on, with both keys valid, unless the store takes the new key and every pod of Milvus runs with it."""
    if refusal := _refusal(found, key):
        _stop(1, f"the store does not take the new key ({refusal}); both keys stay valid; cure that, then: make rotate ENV={found.name}")
    for _ in range(_TRIES):
        if not (behind := _pods_behind(found.settings.namespace, key["generation"])):
            _tell("the new key opens the bucket, and every pod of Milvus has it and is ready")
            return
        time.sleep(_PAUSE_S)
    _stop(1, f"pods without the new key: {', '.join(behind)}; both keys stay valid; look at them, then: make rotate ENV={found.name}")


def _require_ended(found: Environment, keys: dict[int, dict[str, str]], left: Plan) -> None:
    if refusal := _refusal(found, keys[left.new]):
        _stop(1, f"the store does not take the new key any more ({refusal})")
    if left.old in keys and not _refusal(found, keys[left.old]):
        _stop(1, f"the store still takes the old key of generation {left.old}, though its user is removed: remove it in the store by hand")
    _tell(f"done: the store takes the key of generation {left.new} and refuses that of generation {left.old}")


def _refusal(found: Environment, key: dict[str, str]) -> str:
    """How the store refuses a key, "" when it takes it; any other answer ends the command with 4."""
    chosen_store = found.settings.object_store
    with verifying(chosen_store.ca_pem) as verify:
        s3 = boto3.client(
            "s3",
            endpoint_url=chosen_store.endpoint,
            region_name=chosen_store.region,
            aws_access_key_id=key["access_key"],
            aws_secret_access_key=key["secret_key"],
            verify=verify,
            config=configuration(),
        )
        try:
            s3.list_objects_v2(Bucket=found.settings.milvus_bucket, MaxKeys=1)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            if code in _REFUSED:
                return code
            _stop(4, f"the store answered {code}, which says nothing of the key; again: make rotate ENV={found.name}")
        except BotoCoreError as error:
            _stop(4, f"the store does not answer ({type(error).__name__}); again: make rotate ENV={found.name}")
    return ""


def _pods_behind(namespace: str, generation: str) -> list[str]:
    """Pods of Milvus that are not ready with the new key; `none` when there is no pod at all."""
    command = ["kubectl", "-n", namespace, "get", "pods", "-l", "app.kubernetes.io/name=milvus", "-o", "json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        _stop(4, f"the cluster does not answer: {ended.stderr.strip()}")
    pods = json.loads(ended.stdout)["items"]
    return [pod["metadata"]["name"] for pod in pods if not _has(pod, generation)] or ([] if pods else ["none"])


def _has(pod: dict[str, Any], generation: str) -> bool:
    annotated = pod["metadata"].get("annotations", {}).get(CREDENTIAL_ANNOTATION) == generation
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))
    return annotated and ready


def _up(environment: str) -> None:
    _tell("pulumi up")
    if pulumi_cli.up(environment):
        _stop(4, f"`pulumi up` did not succeed; no key was revoked that is in use; again: make rotate ENV={environment}")


def _tell(text: str) -> None:
    print(f"rotate {time.strftime('%H:%M:%S')}  {text}", flush=True)


def _stop(code: int, why: str) -> None:
    _tell(f"stopped: {why} (exit {code})")
    raise typer.Exit(code)
