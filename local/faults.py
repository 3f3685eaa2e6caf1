"""Makes a vendor's stand-in fail, and changes its key."""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3

from local.twins.twin import Fault, Twin

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KINDS = {
    "down": Fault(mode="drop"),
    "slow": Fault(delay=3.0),
    "busy": Fault(status=429, headers={"Retry-After": "2"}, body={"detail": "Too many requests"}),
    "malformed": Fault(status=200, body="<html>not what was promised</html>"),
    "cut": Fault(mode="cut"),
}

MAX_SECONDS = 300.0
"""A fault that nobody ends, ends by itself."""


class Faults:
    """Of the vendors with a stand-in that a mint calls. secrets: vendor -> the ARN of its secret."""

    def __init__(self, twins: Mapping[str, Twin], secrets: Mapping[str, str], aws: Mapping[str, str]) -> None:
        self._twins = {vendor: twin for vendor, twin in twins.items() if twin.mint_calls}
        self._secrets = secrets
        self._killed: set[str] = set()
        self._client: SecretsManagerClient = boto3.client("secretsmanager", **aws)  # type: ignore[call-overload]

    def arm(self, vendor: str, kind: str, times: int | None) -> None:
        """The next `times` calls of the vendor's last step fail. None: all calls, for MAX_SECONDS at most."""
        twin = self._twins[vendor]
        fault = replace(KINDS[kind], path=twin.mint_calls[-1].path, times=times)
        twin.fault(fault)
        if times is None:
            timer = threading.Timer(MAX_SECONDS, twin.end, [fault])
            timer.daemon = True
            timer.start()

    def clear(self) -> None:
        """Ends every fault, and gives every secret the key that the vendor takes."""
        for vendor, twin in self._twins.items():
            twin.end(*twin.faults)
            if not self._works(vendor):
                self.rotate(vendor)

    def kill_key(self, vendor: str) -> None:
        """The vendor takes a new key from now on, and the secret still has the old one."""
        if self._works(vendor):
            self._twins[vendor].issue_key(self._key(vendor))
            self._twins[vendor].drop_key(self._key(vendor))
            self._killed.add(vendor)

    def rotate(self, vendor: str) -> None:
        """Puts a new key into the secret, then ends the old one. No mint fails, as the old key works until then."""
        old = self._key(vendor)
        if self._works(vendor):
            self._twins[vendor].issue_key(old)
        value = json.dumps({"api_key": self._newest(vendor)})
        self._client.put_secret_value(SecretId=self._secrets[vendor], SecretString=value)
        self._twins[vendor].drop_key(old)
        self._killed.discard(vendor)

    def count(self) -> int:
        """The faults of all vendors that are on, dead keys among them."""
        return len(self._killed) + sum(len(twin.faults) for twin in self._twins.values())

    def state(self, vendor: str) -> dict[str, Any] | None:
        """The armed faults, and the fingerprints of the two keys. None for a vendor that no mint calls."""
        if vendor not in self._twins:
            return None
        armed = [{"kind": _kind(fault), "times": fault.times} for fault in self._twins[vendor].faults]
        keys = {"secret": _fingerprint(self._key(vendor)), "vendor": _fingerprint(self._newest(vendor))}
        return {"armed": armed, "keys": keys}

    def _works(self, vendor: str) -> bool:
        return self._key(vendor) in self._twins[vendor].keys

    def _newest(self, vendor: str) -> str:
        return str(list(self._twins[vendor].keys)[-1])

    def _key(self, vendor: str) -> str:
        held = json.loads(self._client.get_secret_value(SecretId=self._secrets[vendor])["SecretString"])
        return str(held["api_key"])


def _kind(fault: Fault) -> str:
    return next(
        (kind for kind, known in KINDS.items() if replace(known, path=fault.path, times=fault.times) == fault), ""
    )


def _fingerprint(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:8]
