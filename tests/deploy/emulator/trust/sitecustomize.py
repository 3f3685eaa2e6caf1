"""Makes a Python process trust the stand-ins' certificate too: the functions and the commands trust certifi's roots alone."""

import os
import ssl
from typing import Any

_load = ssl.SSLContext.load_verify_locations


def _load_ours_too(context: ssl.SSLContext, *args: Any, **kwargs: Any) -> None:
    _load(context, *args, **kwargs)
    _load(context, cafile=os.environ["DEPLOY_CHECK_CERTIFICATE"])


ssl.SSLContext.load_verify_locations = _load_ours_too  # type: ignore[method-assign,assignment]
