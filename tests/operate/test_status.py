"""`make status`: one row for each vendor."""

import json
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any

import boto3
import pytest

from local.parameters import secret
from minting.counts import today
from tests.operate.conftest import Done, Operate
from tests.vendors import VENDORS


def rows(done: Done) -> dict[str, str]:
    return {line.split()[0]: line for line in done.out.splitlines()}


def test_a_fresh_stack_has_used_nothing_and_has_no_key(operate: Operate) -> None:
    done = operate("status")
    assert (done.code, done.err) == (0, "")
    found = rows(done)
    assert sorted(found) == sorted([*VENDORS, "vendor", "alarms:"])
    assert found["convai"].split() == ["convai", "0/2000", "NO", "KEY", "running"]
    assert found["odyssey"].split() == [
        *("odyssey", "0/200,", "broadcasts", "0/200", "0/5", "NO", "KEY", "running"),
    ]


def test_what_is_used_stopped_and_paused_is_shown(operate: Operate, table: Any) -> None:
    day = today("mints", "", 1).attribute
    reads = today("reads", "", 1).attribute
    table.put_item(Item={"id": "convai#vendor", day: 7, "stopped": True})
    table.put_item(Item={"id": "spatialgen#vendor", day: 2, reads: 30, "paused_list_videos": int(time()) + 9})
    table.put_item(Item={"id": "odyssey#live", "live": {f"{int(time()) + 60}#a", f"{int(time()) - 60}#b"}})
    found = rows(operate("status"))
    assert "7/2000" in found["convai"]
    assert found["convai"].endswith("STOPPED")
    assert "2/5000, reads 30/50000" in found["spatialgen"]
    assert "list_videos paused for" in found["spatialgen"]
    assert "  1/5  " in found["odyssey"]


def test_the_age_of_a_key_and_the_expiry_of_spatialgens_are_shown_without_the_key(operate: Operate) -> None:
    operate("set-key", "spatialgen", stdin=json.dumps(secret("spatialgen")))
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    boto3.client("cloudwatch").put_metric_data(
        Namespace="AvatarMint/avatar-mint",
        MetricData=[
            {
                "MetricName": "key_expires_in",
                "Dimensions": [{"Name": "service", "Value": "spatialgen"}],
                "Timestamp": datetime.now(UTC) - timedelta(hours=1),
                "Value": timedelta(days=3, hours=1).total_seconds(),
            }
        ],
    )
    found = rows(operate("status"))["spatialgen"]
    assert "0 d old, expires " in found
    told = datetime.fromisoformat(found.split("expires ")[1].split()[0])
    assert abs(told - expires) < timedelta(hours=2)
    assert secret("spatialgen")["readonly"]["key"] not in found


@pytest.mark.parametrize("vendor", ["convai"])
def test_a_secret_that_is_gone_is_shown(operate: Operate, vendor: str) -> None:
    secrets = boto3.client("secretsmanager")
    secrets.delete_secret(SecretId=f"avatar-mint/{vendor}", ForceDeleteWithoutRecovery=True)
    assert "NO SECRET" in rows(operate("status"))[vendor]
    secrets.create_secret(Name=f"avatar-mint/{vendor}")
