"""Creates the AWS resources of the template that are absent, and fills empty secrets. Existing values stay."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from local.parameters import secret
from local.template import Template

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

type Clients = Callable[[str], Any]
"""Gives AWS's client of a service."""

TABLE_MEMBERS = (
    *("KeySchema", "AttributeDefinitions", "BillingMode", "ProvisionedThroughput"),
    *("GlobalSecondaryIndexes", "LocalSecondaryIndexes"),
)
"""The properties that have the same name in CreateTable and CloudFormation. moto needs no encryption and no backups."""


def seed(template: Template, aws: dict[str, str], keys: Mapping[str, str]) -> None:
    """Adds the names of the created resources to the template. `aws`: arguments of boto3.client. `keys`: real API keys by vendor.

    A resource without a name gets the name of its stack and its logical id. It gets no random suffix as at AWS, so that the
    next run finds it.
    """
    clients = cache(lambda service: boto3.client(service, **aws))  # type: ignore[call-overload]
    stack = template.resolve({"Ref": "AWS::StackName"})
    for kind, create in CREATORS.items():
        for name in template.resources(kind):
            properties = template.resolve(template.properties(name))
            template.attributes[name] = create(properties, f"{stack}-{name}", clients, keys)


def _secret(properties: dict[str, Any], name: str, clients: Clients, keys: Mapping[str, str]) -> dict[str, str]:
    client: SecretsManagerClient = clients("secretsmanager")
    name = properties.get("Name", name)
    arn = _create_secret(client, name)
    if not _has_value(client, arn):
        vendor = name.rpartition("/")[2]
        value = {"api_key": keys[vendor]} if vendor in keys else secret(vendor)
        client.put_secret_value(SecretId=arn, SecretString=json.dumps(value))
    return {"Ref": arn, "Id": arn}


def _create_secret(client: "SecretsManagerClient", name: str) -> str:
    try:
        return client.create_secret(Name=name)["ARN"]
    except client.exceptions.ResourceExistsException:
        return client.describe_secret(SecretId=name)["ARN"]


def _has_value(client: "SecretsManagerClient", arn: str) -> bool:
    try:
        client.get_secret_value(SecretId=arn, VersionStage="AWSCURRENT")
    except client.exceptions.ResourceNotFoundException:
        return False
    return True


def _table(properties: dict[str, Any], name: str, clients: Clients, _: Mapping[str, str]) -> dict[str, str]:
    client: DynamoDBClient = clients("dynamodb")
    name = properties.get("TableName", name)
    try:
        client.create_table(TableName=name, **{key: properties[key] for key in TABLE_MEMBERS if key in properties})
        _set_expiry(client, name, properties)
    except client.exceptions.ResourceInUseException:
        pass  # it exists already
    return {"Ref": name, "Arn": client.describe_table(TableName=name)["Table"]["TableArn"]}


def _set_expiry(client: "DynamoDBClient", name: str, properties: dict[str, Any]) -> None:
    if expiry := properties.get("TimeToLiveSpecification"):
        client.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)


CREATORS: dict[str, Callable[[dict[str, Any], str, Clients, Mapping[str, str]], dict[str, str]]] = {
    "AWS::SecretsManager::Secret": _secret,
    "AWS::DynamoDB::Table": _table,
}
