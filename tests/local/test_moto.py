"""The stand-in for AWS keeps what it is told, and nothing else."""

import gc
from typing import TYPE_CHECKING

from moto.dynamodb.models.dynamo_type import Item

from tests.conftest import client

if TYPE_CHECKING:
    from local.bundle import Bundle


def test_no_copy_of_an_item_outlives_its_request(bundle: "Bundle", table: str) -> None:
    dynamodb = client(bundle, "dynamodb")
    part = {
        "TableName": table,
        "Key": {"id": {"S": "one"}},
        "UpdateExpression": "ADD #n :one",
        "ExpressionAttributeNames": {"#n": table},
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    for _ in range(20):
        dynamodb.update_item(**part)
        dynamodb.transact_write_items(TransactItems=[{"Update": part}])
    gc.collect()
    kept = [each for each in gc.get_objects() if isinstance(each, Item) and table in each.attrs]
    assert [item.attrs[table].value for item in kept] == ["40"]
