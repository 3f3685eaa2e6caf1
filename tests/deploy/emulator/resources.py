"""Resources that ministack does not know, or makes in another way than AWS."""

import uuid
from typing import Any

from ministack.services import secretsmanager  # type: ignore[import-not-found]
from ministack.services.cloudformation import provisioners  # type: ignore[import-not-found]

type Json = dict[str, Any]

HANDLERS: dict[str, Json] = provisioners._RESOURCE_HANDLERS


def mend() -> None:
    HANDLERS["AWS::Logs::QueryDefinition"] = {"create": _create_query, "update": _update_query, "delete": _delete_query}
    _alarm_on_queries()
    _name_log_groups()
    _refer_to_secrets_by_arn()


# A saved query, which nothing reads here; ministack does not know the type.


def _create_query(logical_id: str, properties: Json, stack: str) -> tuple[str, Json]:
    texts = [properties.get("Name"), properties.get("QueryString"), *properties.get("LogGroupNames", [])]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{logical_id} of {stack} is no query definition")
    created = str(uuid.uuid4())
    return created, {"QueryDefinitionId": created}


def _update_query(physical_id: str, old: Json, new: Json, stack: str) -> tuple[str, Json]:
    return physical_id, {"QueryDefinitionId": physical_id}


def _delete_query(physical_id: str, properties: Json) -> None:
    """Nothing is kept of a query."""


def _alarm_on_queries() -> None:
    """ministack has no alarms on Metrics Insights queries. It keeps the query as the metric's name.

    AWS has them: "You can create an alarm on any Metrics Insights query, including queries that return multiple time
    series" (CloudWatch user guide, Create_Metrics_Insights_Alarm). Such a query needs GROUP BY and ORDER BY.
    """
    handler = HANDLERS["AWS::CloudWatch::Alarm"]
    create, update = handler["create"], handler["update"]

    def create_alarm(logical_id: str, properties: Json, stack: str) -> Any:
        return create(logical_id, _named_by_query(properties), stack)

    def update_alarm(name: str, old: Json, new: Json, stack: str, logical_id: str | None = None) -> Any:
        return update(name, _named_by_query(old), _named_by_query(new), stack, logical_id)

    handler |= {"create": create_alarm, "update": update_alarm}


def _named_by_query(properties: Json) -> Json:
    if "Metrics" not in properties:
        return properties
    (query,) = properties["Metrics"]
    if not all(clause in query["Expression"] for clause in ("SELECT ", " GROUP BY ", " ORDER BY ")):
        raise ValueError(f"no query that an alarm can watch: {query['Expression']}")
    others = {name: value for name, value in properties.items() if name != "Metrics"}
    return others | {"MetricName": query["Expression"], "Namespace": "query", "Period": query["Period"]}


def _name_log_groups() -> None:
    """AWS gives a log group without a name one that no other has; ministack gives it the same one again and empties it.

    "If you don't specify a name, CloudFormation generates a unique ID for the log group." (AWS::Logs::LogGroup, LogGroupName)
    """
    handler = HANDLERS["AWS::Logs::LogGroup"]
    create, update = handler["create"], handler["update"]

    def create_with_a_name(logical_id: str, properties: Json, stack: str) -> Any:
        unique = f"{stack}-{logical_id}-{uuid.uuid4().hex[:12]}"
        return create(logical_id, {"LogGroupName": unique, **properties}, stack)

    def update_with_a_name(name: str, old: Json, new: Json, stack: str, logical_id: str | None = None) -> Any:
        old, new = {"LogGroupName": name, **old}, {"LogGroupName": name, **new}
        return update(name, old, new, stack, logical_id)

    handler |= {"create": create_with_a_name, "update": update_with_a_name}


def _refer_to_secrets_by_arn() -> None:
    """In ministack `Ref` is the secret's name, and a secret that is created without a value has an empty one.

    `Ref` "returns the ARN of the secret"; a secret without SecretString and GenerateSecretString has no version
    (AWS::SecretsManager::Secret, its reference page).
    """
    handler = HANDLERS["AWS::SecretsManager::Secret"]
    create, update, delete = handler["create"], handler["update"], handler["delete"]

    def create_secret(logical_id: str, properties: Json, stack: str) -> tuple[str, Json]:
        name, attributes = create(logical_id, properties, stack)
        if not {"SecretString", "GenerateSecretString"} & properties.keys():
            secretsmanager._secrets[name]["Versions"].clear()
        return attributes["Arn"], attributes

    def update_secret(arn: str, old: Json, new: Json, stack: str, logical_id: str | None = None) -> tuple[str, Json]:
        _, attributes = update(_name(arn), old, new, stack, logical_id)
        return attributes["Arn"], attributes

    def delete_secret(arn: str, properties: Json) -> None:
        delete(_name(arn), properties)

    handler |= {"create": create_secret, "update": update_secret, "delete": delete_secret}


def _name(arn: str) -> str:
    """Without the hyphen and the six characters that Secrets Manager adds."""
    return arn.rpartition(":")[2][:-7]
