"""What `sam local` needs for the functions to reach a running bundle: its template, with the stand-ins' addresses in it.

`sam local` passes on only the variables that a template names, and template.yaml does not name AWS_ENDPOINT_URL. It also
knows no resources, so it resolves `!Ref` to a logical id. Sources: samcli/local/lambdafn/env_vars.py and
samcli/lib/intrinsic_resolver.
"""

import json
import platform
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.functions import ROOT
from local.template import read

if TYPE_CHECKING:
    from local.bundle import Bundle

TEMPLATE = Path(".aws-sam/local.json")
"""In the folder where `make run` and `sam local` are called; beside build/, which `sam build` empties."""

LOOPBACK = "127.0.0.1"
DESKTOP = "host.docker.internal"
"""Docker Desktop's name, in its containers, for the machine's own 127.0.0.1."""

SIOCGIFADDR = 0x8915
"""linux/sockios.h: the address of an interface."""


def bridge() -> str | None:
    """The address at which Docker's containers reach this machine; None where it has its own machine or is absent."""
    if not sys.platform.startswith("linux"):
        return None
    import fcntl  # noqa: PLC0415 - Windows has none

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket, suppress(OSError):
        found = fcntl.ioctl(any_socket, SIOCGIFADDR, struct.pack("256s", b"docker0"))
        return socket.inet_ntoa(found[20:24])
    return None


@contextmanager
def written(bundle: "Bundle") -> Iterator[None]:
    """TEMPLATE is there for `sam local invoke -t` as long as the bundle runs."""
    TEMPLATE.parent.mkdir(exist_ok=True)
    TEMPLATE.write_text(json.dumps(template(bundle), indent=1))
    try:
        yield
    finally:
        TEMPLATE.unlink(missing_ok=True)


def template(bundle: "Bundle") -> dict[str, Any]:
    """template.yaml with the functions' real variables, for this machine's architecture, and what `sam build` made."""
    document = read(ROOT / "template.yaml")
    document["Parameters"]["Architecture"]["Default"] = platform.machine().replace("aarch64", "arm64")
    for name, resource in document["Resources"].items():
        match resource["Type"]:
            case "AWS::Serverless::Function":
                resource["Properties"]["CodeUri"] = f"build/{name}"
                resource["Properties"]["Environment"] = {"Variables": reached(bundle.environment(folder(name)))}
            case "AWS::Serverless::LayerVersion":
                resource["Properties"]["ContentUri"] = f"build/{name}"
    return document


def folder(name: str) -> str:
    """`ConvaiFunction` is in functions/convai."""
    return name.removesuffix("Function").lower()


def reached(environment: dict[str, Any]) -> dict[str, str]:
    """The same addresses as a container sees them."""
    return {name: str(value).replace(f"//{LOOPBACK}:", f"//{DESKTOP}:") for name, value in environment.items()}
