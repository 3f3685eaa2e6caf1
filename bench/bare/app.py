"""The yardstick: the twenty lines that a team would write by hand. Key from the secret, a call, and the answer passed on."""

import json
import os
from typing import Any

import boto3
import requests

secret = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["API_KEY_SECRET"])
api_key = json.loads(secret["SecretString"])["api_key"]
session = requests.Session()
dynamodb = boto3.client("dynamodb") if os.environ.get("COUNTED") else None


def count() -> None:
    """What the least of limits costs: one counter, kept by one conditional write."""
    if dynamodb:
        dynamodb.update_item(
            TableName=os.environ["LIMITS_TABLE"],
            Key={"id": {"S": "bare"}},
            UpdateExpression="ADD used :one",
            ConditionExpression="attribute_not_exists(used) OR used < :most",
            ExpressionAttributeValues={":one": {"N": "1"}, ":most": {"N": "1000000"}},
        )


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """One Trulience token."""
    count()
    url = os.environ["TRULIENCE_API_URL"] + "/auth/generate-token"
    wanted = {"avatar_id": json.loads(event["body"])["avatar_id"]}
    response = session.post(url, headers={"x-api-key": api_key}, json=wanted, timeout=10)
    response.raise_for_status()
    return {"statusCode": 201, "headers": {"content-type": "application/json"}, "body": response.text}
