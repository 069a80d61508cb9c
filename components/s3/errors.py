"""What the object store answered, in words that help: the value seen, what it breaks, what cures it.

    Exception
      StoreError    the store cannot be used as declared; the message is for the operator

Every foreseen failure of boto3 becomes one; anything else passes through with its traceback, since it is a defect of ours.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from components.s3.store import Store


class StoreError(Exception):
    """The store cannot be used as declared."""


_WRONG_KEY = "the store refuses the key ({detail}). Cure: put the administrator's key into the profile {profile!r} of ~/.aws/credentials."
_NOT_ADMINISTRATOR = (
    "the profile {profile!r} is not an administrator of this store ({detail}). "
    "Cure: set milvus-x10000:object_store.admin_profile to one that is."
)
_CLOCK = "this machine's clock and the store's differ too much ({detail}). Cure: set the clock, for example with chrony."
_TAKEN = (
    "another account of this store has a bucket of this name. "
    "Cure: set milvus-x10000:object_store.milvus_bucket or .documents_bucket to another name."
)
_FULL = "a limit of the store is reached ({detail}). Cure: remove what is no longer used, then run `pulumi up` again."
_NO_PROFILE = (
    "the AWS profile {profile!r} is not on this machine, so nobody can make buckets or users. "
    "Cure: `aws configure --profile {profile}`, or point AWS_SHARED_CREDENTIALS_FILE at the file that has it."
)
_NO_KEY = "the AWS profile {profile!r} holds no whole key ({detail}). Cure: `aws configure --profile {profile}`."
_NOT_TRUSTED = (
    "its certificate cannot be trusted, so no key is sent to it ({detail}). Cure: set milvus-x10000:object_store.ca_file to the PEM file "
    "of the CA that signed it, and use a name or an address that the certificate holds."
)
_NOT_REACHED = "it cannot be reached ({detail}). Cure: check address, port, firewall and proxy, for example with `curl -v {endpoint}`."
_BY_CODE = {
    "InvalidAccessKeyId": _WRONG_KEY,
    "InvalidClientTokenId": _WRONG_KEY,
    "SignatureDoesNotMatch": _WRONG_KEY,
    "AccessDenied": _NOT_ADMINISTRATOR,
    "RequestTimeTooSkewed": _CLOCK,
    "BucketAlreadyExists": _TAKEN,
    "LimitExceeded": _FULL,
}
_BY_EXCEPTION: tuple[tuple[type[Exception], str], ...] = (
    (boto.ProfileNotFound, _NO_PROFILE),
    (boto.NoCredentialsError, _NO_KEY),
    (boto.PartialCredentialsError, _NO_KEY),
    (boto.SSLError, _NOT_TRUSTED),
    (boto.ConnectionError, _NOT_REACHED),
    (boto.HTTPClientError, _NOT_REACHED),
)
_USER_KEY = (
    "the store refuses the key in the Secret {secret} ({detail}). Cure: put the key that the store's administrator gave you into it."
)
_USER_MAY_NOT = (
    "the key in the Secret {secret} may not do that ({detail}). Cure: ask the store's administrator for s3:ListBucket on the bucket and "
    "s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and s3:ListMultipartUploadParts on its objects."
)
_NO_BUCKET = (
    "there is no such bucket ({detail}), and Milvus would wait for it for ever. Cure: have it made, or name the right one in "
    "milvus-x10000:object_store.milvus_bucket or .documents_bucket."
)
_BY_CODE_FOR_USER = {
    "InvalidAccessKeyId": _USER_KEY,
    "SignatureDoesNotMatch": _USER_KEY,
    "AccessDenied": _USER_MAY_NOT,
    "NoSuchBucket": _NO_BUCKET,
    "RequestTimeTooSkewed": _CLOCK,
}
_NO_API = {
    "S3": "no S3 API answers there ({detail}). Cure: set milvus-x10000:object_store.endpoint to the address of the S3 API.",
    "IAM": "no IAM API answers there ({detail}). Cure: set milvus-x10000:object_store.iam_endpoint to the address of the IAM API.",
}


@contextmanager
def explained(store: Store, service: Literal["S3", "IAM"], action: str) -> Iterator[None]:
    """Turn a foreseen failure of `action`, by the administrator, into a StoreError."""
    endpoint = store.endpoint if service == "S3" else store.iam_endpoint
    with _explained(endpoint, service, action, _BY_CODE, {"profile": store.admin_profile}):
        yield


@contextmanager
def explained_for_user(endpoint: str, action: str, secret: str, by_code: Mapping[str, str] = _BY_CODE_FOR_USER) -> Iterator[None]:
    """Turn a foreseen failure of `action`, with the key in the Kubernetes Secret `secret`, into a StoreError."""
    with _explained(endpoint, "S3", action, by_code, {"secret": secret}):
        yield


@contextmanager
def _explained(endpoint: str, service: str, action: str, by_code: Mapping[str, str], words: Mapping[str, str]) -> Iterator[None]:
    try:
        yield
    except (boto.BotoCoreError, boto.ClientError, ResponseParserError) as error:
        cause = _cause(service, {**words, "endpoint": endpoint, "detail": str(error)}, error, by_code)
        if cause is None:
            raise
        raise StoreError(f"{endpoint}: cannot {action}: {cause}") from None


def code(error: boto.ClientError) -> str:
    """Error code of an answer, such as NoSuchBucket."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _cause(service: str, words: dict[str, str], error: Exception, by_code: Mapping[str, str]) -> str | None:
    if isinstance(error, boto.ClientError):
        return _cause_of_answer(service, words, error, by_code)
    if isinstance(error, ResponseParserError):
        return _NO_API[service].format(**words)
    return next((text.format(**words) for kind, text in _BY_EXCEPTION if isinstance(error, kind)), None)


def _cause_of_answer(service: str, words: dict[str, str], error: boto.ClientError, by_code: Mapping[str, str]) -> str:
    status = str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    message = error.response.get("Error", {}).get("Message", "")
    described = {**words, "detail": f"{code(error)}: {message}"}
    if text := by_code.get(code(error)):
        return text.format(**described)
    if code(error) in {"", "Unknown", status}:
        return _NO_API[service].format(**{**words, "detail": f"HTTP {status}"})
    return f"it answers {status} {described['detail']}"
