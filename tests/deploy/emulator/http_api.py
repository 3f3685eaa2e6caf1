"""AWS::ApiGatewayV2::Api imports its routes, authorizers and CORS from `Body`, which SAM always writes; ministack ignores it.

AWS leaves out what it cannot import and only warns, unless FailOnWarnings is true. An issuer whose discovery document cannot
be read, or that names another issuer, cannot be imported, and neither can any route with that authorizer: issues 1727, 1556
and 2688 of aws/serverless-application-model and 2410 of aws/aws-sam-cli.
"""

import json
import logging
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from ministack.services import apigateway  # type: ignore[import-not-found]
from ministack.services.cloudformation import provisioners  # type: ignore[import-not-found]

type Json = dict[str, Any]

INTEGRATION = "x-amazon-apigateway-integration"
log = logging.getLogger(__name__)


@dataclass
class Import:
    """What of a document can be imported, and a warning for each part that cannot.

    routes: key, integration, authorizer, and the scopes of which a token needs one.
    """

    authorizers: dict[str, Json] = field(default_factory=dict)
    routes: list[tuple[str, Json, str | None, list[str]]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def mend() -> None:
    handler = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    create, update = handler["create"], handler["update"]

    def create_and_import(logical_id: str, properties: Json, stack: str) -> Any:
        properties = _named(properties)
        api_id, attributes = create(logical_id, properties, stack)
        _import(api_id, properties)
        return api_id, attributes

    def update_and_import(api_id: str, old: Json, new: Json, stack: str, logical_id: str | None = None) -> Any:
        new = _named(new)
        outcome = update(api_id, old, new, stack, logical_id)
        _import(outcome[0], new)
        return outcome

    handler |= {"create": create_and_import, "update": update_and_import}


def _named(properties: Json) -> Json:
    return {"Name": properties.get("Body", {}).get("info", {}).get("title", ""), **properties}


def _import(api_id: str, properties: Json) -> None:
    """Raises ValueError for a warning where FailOnWarnings is true; the routes stay as they are."""
    body = properties.get("Body", {})
    found = _read(body)
    if found.warnings and str(properties.get("FailOnWarnings", "")).lower() == "true":
        raise ValueError(f"Warnings found during import: {' '.join(found.warnings)}")
    for warning in found.warnings:
        log.warning("import of %s: %s", api_id, warning)
    _store(api_id, found)
    apigateway._apis[api_id]["corsConfiguration"] = body.get("x-amazon-apigateway-cors") or {}


def _read(body: Json) -> Import:
    found = Import()
    for name, scheme in body.get("components", {}).get("securitySchemes", {}).items():
        _read_authorizer(name, scheme["x-amazon-apigateway-authorizer"], found)
    for path, methods in body.get("paths", {}).items():
        for method, operation in methods.items():
            if INTEGRATION in operation:
                _read_route(f"{method.upper()} {path}", operation, found)
    return found


def _read_authorizer(name: str, authorizer: Json, found: Import) -> None:
    if problem := _discovery_problem(authorizer["jwtConfiguration"]["issuer"]):
        found.warnings.append(f"Unable to create Authorizer '{name}': {problem}. Ignoring.")
    else:
        found.authorizers[name] = authorizer


def _discovery_problem(issuer: str) -> str | None:
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - the template takes https URLs only
            named = json.load(answer).get("issuer", "")
    except (OSError, ValueError) as fault:
        return f"Invalid issuer: {issuer}. No discovery document ({type(fault).__name__})"
    return None if named == issuer else f"Invalid issuer: {issuer}. The discovery document names {named}"


def _read_route(key: str, operation: Json, found: Import) -> None:
    wanted, scopes = next((named for entry in operation.get("security", []) for named in entry.items()), (None, []))
    if wanted and wanted not in found.authorizers:
        found.warnings.append(f"Unable to create Route '{key}': Invalid authorizer definition. Ignoring.")
    else:
        found.routes.append((key, operation[INTEGRATION], wanted, scopes))


def _store(api_id: str, found: Import) -> None:
    """Puts what was found in place of what the API has."""
    for kind in (apigateway._routes, apigateway._integrations, apigateway._authorizers):
        kind[api_id] = {}
    ids = {name: _create_authorizer(api_id, name, authorizer) for name, authorizer in found.authorizers.items()}
    for key, integration, wanted, scopes in found.routes:
        jwt = {"authorizationType": "JWT", "authorizationScopes": scopes}
        secured = jwt | {"authorizerId": ids[wanted]} if wanted else {}
        target = f"integrations/{_create_integration(api_id, integration)}"
        apigateway._create_route(api_id, {"routeKey": key, "target": target, **secured})


def _create_authorizer(api_id: str, name: str, authorizer: Json) -> str:
    settings = {
        "authorizerType": "JWT",
        "name": name,
        "identitySource": [authorizer["identitySource"]],
        "jwtConfiguration": authorizer["jwtConfiguration"],
    }
    return _id(apigateway._create_authorizer(api_id, settings), "authorizerId")


def _create_integration(api_id: str, integration: Json) -> str:
    settings = {
        "integrationType": "AWS_PROXY",
        "integrationUri": integration["uri"],
        "integrationMethod": integration["httpMethod"],
        "payloadFormatVersion": integration["payloadFormatVersion"],
    }
    return _id(apigateway._create_integration(api_id, settings), "integrationId")


def _id(answer: tuple[Any, ...], member: str) -> str:
    created: str = json.loads(answer[2])[member]
    return created
