"""What the store says to a key: it is tried on Milvus's bucket, since only the store knows which keys it takes."""

from collections.abc import Mapping

from botocore.exceptions import BotoCoreError, ClientError

from components.stores import Connection, error_code, s3_client
from stacks.problems import UnansweredError
from stacks.settings import Settings

_REFUSALS = {"InvalidAccessKeyId", "AccessDenied", "SignatureDoesNotMatch", "403"}


def refusal(settings: Settings, key: Mapping[str, str]) -> str:
    """How the store refuses `access_key` and `secret_key` on `bucket`, "" when it takes them; UnansweredError where that does not tell."""
    chosen = settings.object_store
    try:
        connection = Connection(endpoint=chosen.endpoint, region=chosen.region, ca_pem=chosen.ca_pem)
        with s3_client(connection, key["access_key"], key["secret_key"]) as s3:
            s3.list_objects_v2(Bucket=key.get("bucket") or settings.milvus_bucket, MaxKeys=1)
    except ClientError as error:
        code = error_code(error)
        if code in _REFUSALS:
            return code
        raise UnansweredError(f"the store at {chosen.endpoint} answered {code}, which says nothing of the key; try again") from None
    except BotoCoreError as error:
        raise UnansweredError(f"the store at {chosen.endpoint} does not answer ({type(error).__name__}); try again") from None
    return ""
