"""What went wrong between the operator's machine and AWS: one line, and what to do."""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as NotConnectedError
from requests.exceptions import RequestException

from tools.operate.asking import InputError
from tools.operate.stack import StackError
from tools.stages import Stage, StageError

OURS = (StageError, StackError, InputError)
"""Errors whose text is a line for the operator already."""

EXPECTED = (*OURS, BotoCoreError, ClientError, RequestException, EOFError, KeyboardInterrupt)
"""What a command may fail with. Anything else is a defect of ours."""

SIGN_IN = "Sign in to AWS (such as `aws sso login`), or set AWS_PROFILE."
SIGNED_OUT = (
    *(NoCredentialsError, PartialCredentialsError, CredentialRetrievalError),
    *(ProfileNotFound, SSOError, TokenRetrievalError),
)

EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
NOT_KNOWN = {
    *("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"),
    *("InvalidSignatureException", "IncompleteSignature", "AuthFailure"),
}
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
"""AWS's error codes. The services spell them differently."""


def said(error: BaseException, stage: Stage) -> str:
    """The line for one of EXPECTED. stage: for which the command ran."""
    match error:
        case StageError() | StackError() | InputError():
            line = str(error)
        case KeyboardInterrupt() | EOFError():
            line = "Stopped before the end. Run `make status` to see what is in force."
        case ClientError():
            line = _refused(error, stage)
        case RequestException():
            line = f"The API of {stage.stack} cannot be reached ({type(error).__name__}). Check the network."
        case _:
            line = _unsent(error)
    return " ".join(line.split())


def _unsent(error: BaseException) -> str:
    """For a call that botocore could not make."""
    if isinstance(error, SIGNED_OUT):
        return f"There are no AWS credentials: {error}. {SIGN_IN}"
    if isinstance(error, NoRegionError):
        return "No AWS region is chosen. Set AWS_DEFAULT_REGION, or `region` of this stage in samconfig.toml."
    if isinstance(error, NotConnectedError | HTTPClientError):
        return f"AWS cannot be reached: {error}. Check the network and the region."
    return f"AWS cannot be asked: {error}"


def _refused(error: ClientError, stage: Stage) -> str:
    code, message = (str(error.response.get("Error", {}).get(member, "")) for member in ("Code", "Message"))
    if code in EXPIRED:
        return f"The AWS credentials have expired. {SIGN_IN}"
    if code in NOT_KNOWN:
        return f"AWS does not accept these credentials ({code}). {SIGN_IN}"
    if code in DENIED:
        return f"These AWS credentials lack the right for {error.operation_name}. Ask the account's admin. AWS says: {message}"
    if code == "ValidationError" and "does not exist" in message:
        return _no_stack(stage)
    if code == "ResourceNotFoundException" and error.operation_name.endswith(("Secret", "SecretValue")):
        return (
            f"A secret of {stage.stack} does not exist. Deploy the vendor first: sam deploy --config-env {stage.name}"
        )
    return f"AWS refused {error.operation_name} ({code}): {message}"


def _no_stack(stage: Stage) -> str:
    where = f" in {stage.region}" if stage.region else " in this account and region"
    return (
        f"There is no stack {stage.stack}{where}. Choose another STAGE, AWS_PROFILE or AWS_DEFAULT_REGION, "
        f"or deploy it: sam deploy --config-env {stage.name}"
    )
