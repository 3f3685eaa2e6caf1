"""Runs the bundle on 127.0.0.1:$PORT until Ctrl-C or SIGTERM. Usage: python -m local."""

import errno
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, TextIO

from local import aws, sam
from local.console import Console
from local.journal import Journal
from local.records import Records

if TYPE_CHECKING:
    from local.bundle import Bundle

BANNER = """\
  page     {url}/
  vendors  {vendors}
  AWS      AWS_ENDPOINT_URL={aws}
  sign in  TOKEN=$(curl -s {url}/_local/token -d '{{"sub": "alice"}}' | cut -d'"' -f4)
  sam      sam local invoke ConvaiFunction -t .aws-sam/local.json -e events/convai-mint.json
  mint     curl {url}/v1/convai/tokens -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{{}}'
ready {url}
"""


def main() -> int:
    _settle()
    for ending in (signal.SIGINT, signal.SIGTERM):
        # SIGINT too, because a background job of a script starts with SIGINT ignored.
        signal.signal(ending, signal.default_int_handler)
    try:
        return _run(os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "3000")
    except KeyboardInterrupt:
        return 0


def _settle() -> None:
    """Removes the settings for real AWS and for proxies, which would separate the parts of this process."""
    for name in ("AWS_PROFILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        os.environ.pop(name, None)
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = f"127.0.0.1,{sam.bridge() or ''},{os.environ.get(name, '')}"
    os.environ |= aws.ACCOUNT | os.environ


def _run(host: str, port: str) -> int:
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if fault := _fault(port, endpoint):
        return _refuse(fault)
    from botocore.exceptions import EndpointConnectionError  # noqa: PLC0415 - as the next one

    from local.bundle import Bundle  # noqa: PLC0415 - it takes a second, and Ctrl-C must work meanwhile

    try:
        stand_ins = sam.bridge() or "127.0.0.1"  # containers reach the bridge too
        journal, out = Journal(), sys.stdout
        journal.listeners.append(Console(out).show)
        records = Records(journal, out, verbose=bool(os.environ.get("VERBOSE")))
        bundle = Bundle(
            host=host, port=int(port), stand_ins=stand_ins, given=os.environ, stack="avatar-mint", journal=journal
        )
        with redirect_stdout(records), bundle, sam.written(bundle):
            _announce(bundle, out)
            signal.pause()
    except OSError as error:
        if error.errno in {socket.EAI_NONAME, socket.EAI_AGAIN, errno.EADDRNOTAVAIL}:
            return _refuse(f"HOST={host} is no name or address of this machine; unset HOST, or use HOST=127.0.0.1")
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        return _refuse(f"cannot listen on {host}:{port}: {os.strerror(error.errno)}; try another PORT=...")
    except EndpointConnectionError:
        return _refuse(f"nothing answers at AWS_ENDPOINT_URL={endpoint}; unset it for the stand-in")
    except ValueError as error:
        return _refuse(f"cannot start: {error}")
    return 0


def _fault(port: str, endpoint: str) -> str:
    """What is wrong with these settings, or an empty string."""
    if not (port.isascii() and port.isdecimal() and int(port) < 65536):
        return f"PORT must be a number from 0 to 65535, not {port!r}"
    if endpoint and not endpoint.startswith(("http://", "https://")):
        return f"AWS_ENDPOINT_URL={endpoint} must start with http:// or https://; unset it for the stand-in"
    return ""


def _announce(bundle: "Bundle", out: TextIO) -> None:
    vendors = "  ".join(f"{vendor} {twin.url}" for vendor, twin in bundle.twins.items())
    keyed = {vendor for vendor in bundle.functions if "API_KEY_SECRET" in bundle.environment(vendor)}
    signing = " and ".join(sorted(keyed - bundle.twins.keys() - bundle.replaced.keys()))
    vendors += f"  ({signing}: no stand-in)" if signing else ""
    out.writelines(f"WARNING  {line}\n" for line in _warnings(bundle))
    out.write(BANNER.format(vendors=vendors, aws=bundle.aws["endpoint_url"], url=bundle.url))
    out.flush()


def _warnings(bundle: "Bundle") -> Iterator[str]:
    """Mints that leave this machine, because a variable of the shell says so. They may cost money."""
    for vendor, variable in bundle.replaced.items():
        where = bundle.environment(vendor).get(variable) or "the real vendor, and a mint may cost money"
        yield f"{variable} is set, so {vendor} calls {where}. For the stand-in: env -u {variable} make run"


def _refuse(reason: str) -> int:
    sys.stderr.write(f"local: {reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
