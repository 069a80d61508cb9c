"""What the object store answered, in words that help: the value seen, what it breaks, what cures it.

    ProviderError
      StoreError    the store cannot be used as declared; the message is for the operator

Every foreseen failure of boto3 becomes one; anything else passes through with its traceback, since it is a defect of ours. No message
repeats what a library says of a request: its headers hold the credential.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from components.dynamic_provider import ProviderError


class StoreError(ProviderError):
    """The store cannot be used as declared."""


class Cause(NamedTuple):
    """Why a call failed: code, text with `{detail}` and the words of the caller, setting that cures it."""

    code: str
    text: str
    setting: str = ""


_WRONG_KEY = Cause(
    "store.admin_key_refused",
    "the store refuses the key ({detail}). Cure: put the administrator's key into the profile {profile!r} of ~/.aws/credentials.",
)
_CLOCK = Cause(
    "store.clock", "this machine's clock and the store's differ too much ({detail}). Cure: set the clock, for example with chrony."
)
_NO_KEY = Cause("store.no_key", "the AWS profile {profile!r} holds no whole key ({detail}). Cure: `aws configure --profile {profile}`.")
_FOR_ADMINISTRATOR = {
    "InvalidAccessKeyId": _WRONG_KEY,
    "InvalidClientTokenId": _WRONG_KEY,
    "SignatureDoesNotMatch": _WRONG_KEY,
    "AccessDenied": Cause(
        "store.not_administrator",
        "the profile {profile!r} is not an administrator of this store ({detail}). Cure: set <setting> to one that is.",
        "admin_profile",
    ),
    "RequestTimeTooSkewed": _CLOCK,
    "BucketAlreadyExists": Cause(
        "store.bucket_taken",
        "another account of this store has a bucket of this name. Cure: set <setting> or .documents_bucket to another name.",
        "milvus_bucket",
    ),
    "LimitExceeded": Cause(
        "store.limit", "a limit of the store is reached ({detail}). Cure: remove what is no longer used, then run `pulumi up` again."
    ),
}
_USER_KEY = Cause(
    "store.key_refused",
    "the store refuses the key in the Secret {secret} ({detail}). Cure: put the key that the store's administrator gave you into it.",
)
_FOR_USER = {
    "InvalidAccessKeyId": _USER_KEY,
    "SignatureDoesNotMatch": _USER_KEY,
    "AccessDenied": Cause(
        "store.key_may_not",
        "the key in the Secret {secret} may not do that ({detail}). Cure: ask the store's administrator for s3:ListBucket on the bucket "
        "and s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and s3:ListMultipartUploadParts on its objects.",
    ),
    "NoSuchBucket": Cause(
        "store.no_bucket",
        "there is no such bucket ({detail}), and Milvus would wait for it without end. Cure: have it made, or name the right one in "
        "<setting> or .documents_bucket.",
        "milvus_bucket",
    ),
    "RequestTimeTooSkewed": _CLOCK,
}
_NOT_REACHED = Cause(
    "store.unreachable",
    "it cannot be reached ({detail}). Cure: check address, port, firewall and proxy, for example with `curl -v {endpoint}`.",
)
_BY_EXCEPTION: tuple[tuple[type[Exception], Cause], ...] = (
    (
        boto.ProfileNotFound,
        Cause(
            "store.no_profile",
            "the AWS profile {profile!r} is not on this machine, so nobody can make buckets or users. "
            "Cure: `aws configure --profile {profile}`, or point AWS_SHARED_CREDENTIALS_FILE at the file that has it.",
        ),
    ),
    (boto.NoCredentialsError, _NO_KEY),
    (boto.PartialCredentialsError, _NO_KEY),
    (
        boto.SSLError,
        Cause(
            "store.not_trusted",
            "its certificate cannot be trusted, so no key is sent to it ({detail}). Cure: set <setting> to the PEM file of the CA that "
            "signed it, and use a name or an address that the certificate holds.",
            "ca_file",
        ),
    ),
    (boto.ConnectionError, _NOT_REACHED),
    (
        boto.HTTPClientError,
        Cause(
            "store.request_not_sent",
            "no request can be sent to it ({kind}). Cure: look for characters in the access key that no key has, such as a line end or a "
            "quotation mark, then check the address, for example with `curl -v {endpoint}`.",
        ),
    ),
)
NO_API = {
    "S3": Cause("store.no_s3_api", "no S3 API answers there ({detail}). Cure: set <setting> to the address of the S3 API.", "endpoint"),
    "IAM": Cause(
        "store.no_iam_api", "no IAM API answers there ({detail}). Cure: set <setting> to the address of the IAM API.", "iam_endpoint"
    ),
}


@contextmanager
def explained(endpoint: str, action: str, profile: str, *, service: str = "S3") -> Iterator[None]:
    """Turn a foreseen failure of `action`, by the administrator, into a StoreError; `service` is `S3` or `IAM`."""
    with _explained(endpoint, action, _FOR_ADMINISTRATOR, NO_API[service], {"profile": profile}):
        yield


@contextmanager
def explained_for_user(endpoint: str, action: str, secret: str, by_code: Mapping[str, Cause] = _FOR_USER) -> Iterator[None]:
    """Turn a foreseen failure of `action`, with the key in the Kubernetes Secret `secret`, into a StoreError."""
    with _explained(endpoint, action, by_code, NO_API["S3"], {"secret": secret}):
        yield


def error_code(error: boto.ClientError) -> str:
    """Return the error code of an answer, such as NoSuchBucket."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _explained(endpoint: str, action: str, by_code: Mapping[str, Cause], no_api: Cause, words: Mapping[str, str]) -> Iterator[None]:
    try:
        yield
    except (boto.BotoCoreError, boto.ClientError, ResponseParserError) as error:
        cause, detail = _cause(error, by_code, no_api)
        if cause is None:
            raise
        text = cause.text.format(**words, endpoint=endpoint, detail=detail, kind=type(error).__name__)
        raise StoreError(f"{endpoint}: cannot {action}: {text}", code=cause.code, setting=cause.setting) from None


def _cause(error: Exception, by_code: Mapping[str, Cause], no_api: Cause) -> tuple[Cause | None, str]:
    if not isinstance(error, boto.ClientError):
        parsed = no_api if isinstance(error, ResponseParserError) else None
        return next((cause for kind, cause in _BY_EXCEPTION if isinstance(error, kind)), parsed), str(error)
    code, status = error_code(error), str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    if code not in by_code and code in {"", "Unknown", status}:
        return no_api, f"HTTP {status}"
    detail = f"{code}: {error.response.get('Error', {}).get('Message', '')}"
    return by_code.get(code, Cause("store.refused", f"it answers {status} {{detail}}")), detail
