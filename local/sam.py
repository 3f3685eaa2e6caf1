"""The template for `sam local`, with which functions in containers reach a running bundle.

`sam local` passes on only the variables that a template names, and template.yaml does not name AWS_ENDPOINT_URL. `sam local`
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
"""Relative to the folder where `make run` and `sam local` are called.

It is beside build/, because `sam build` empties that folder.
"""

LOOPBACK = "127.0.0.1"
DESKTOP = "host.docker.internal"
"""The name by which Docker Desktop's containers reach this machine's 127.0.0.1."""

SIOCGIFADDR = 0x8915
"""Asks for the address of an interface. Source: linux/sockios.h."""


def bridge() -> str | None:
    """The address at which Docker's containers reach this machine.

    None if there is no Docker, or if it runs in a machine of its own, as on macOS.
    """
    if not sys.platform.startswith("linux"):
        return None
    import fcntl  # noqa: PLC0415 - Windows has none

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket, suppress(OSError):
        found = fcntl.ioctl(any_socket, SIOCGIFADDR, struct.pack("256s", b"docker0"))
        return socket.inet_ntoa(found[20:24])
    return None


@contextmanager
def written(bundle: "Bundle") -> Iterator[None]:
    """Writes TEMPLATE for `sam local invoke -t`, and removes it when the bundle ends."""
    TEMPLATE.parent.mkdir(exist_ok=True)
    TEMPLATE.write_text(json.dumps(template(bundle), indent=1))
    try:
        yield
    finally:
        TEMPLATE.unlink(missing_ok=True)


def template(bundle: "Bundle") -> dict[str, Any]:
    """template.yaml with the bundle's variables, this machine's architecture, and the artifacts of `sam build`."""
    document = read(ROOT / "template.yaml")
    document["Parameters"]["Architecture"]["Default"] = platform.machine().replace("aarch64", "arm64")
    for name, resource in document["Resources"].items():
        match resource["Type"]:
            case "AWS::Serverless::Function":
                resource["Properties"]["CodeUri"] = f"build/{name}"
                variables = from_a_container(bundle.environment(folder(name)))
                resource["Properties"]["Environment"] = {"Variables": variables}
            case "AWS::Serverless::LayerVersion":
                resource["Properties"]["ContentUri"] = f"build/{name}"
    return document


def folder(name: str) -> str:
    """The folder of a function in functions/: `ConvaiFunction` is in `convai`."""
    return name.removesuffix("Function").lower()


def from_a_container(environment: dict[str, Any]) -> dict[str, str]:
    """The same variables, with the addresses that a container can reach."""
    return {name: str(value).replace(f"//{LOOPBACK}:", f"//{DESKTOP}:") for name, value in environment.items()}
