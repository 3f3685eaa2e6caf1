"""The sign-in of this machine: an OpenID Connect issuer that signs any claims."""

import json
import time
import uuid
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from werkzeug.wrappers import Request

from local.reply import message
from local.server import Response, Server

LIFETIME = 3600
"""Seconds."""


class Issuer:
    """Makes a key of its own, which never leaves the process."""

    def __init__(self, audience: str, host: str = "127.0.0.1") -> None:
        self.audience = audience
        self.key = rsa.generate_private_key(65537, 2048)
        self.key_id = str(uuid.uuid4())
        self._server = Server(host)
        self.url = self._server.url

    def start(self) -> None:
        self._server.start(Request.application(self._answer))

    def stop(self) -> None:
        self._server.stop()

    def sign(self, claims: dict[str, Any]) -> str:
        """Raises TypeError for claims that a JWT cannot hold."""
        return jwt.encode(claims, self.key, "RS256", {"kid": self.key_id})

    def token(self, sub: str = "local-user", **claims: Any) -> str:
        """A token for `sub` that is valid for an hour. `claims` replace the usual ones, and None removes one."""
        now = int(time.time())
        usual = {"iss": self.url, "sub": sub, "aud": self.audience, "iat": now, "exp": now + LIFETIME}
        return self.sign({name: value for name, value in (usual | claims).items() if value is not None})

    def answer_token(self, request: Request) -> Response:
        """`POST {"sub": "alice", ...}` -> `{"token": "<JWT>"}`. Every member is a claim."""
        try:
            claims = json.loads(request.get_data() or b"{}")
            return _json({"token": self.token(**claims)})
        except (TypeError, ValueError):
            return message(400, "The body must be a JSON object of claims")

    def _answer(self, request: Request) -> Response:
        documents = {"/.well-known/openid-configuration": self._configuration, "/jwks.json": self._keys}
        document = documents.get(request.path)
        return _json(document()) if document else message(404, "Not Found")

    def _configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/jwks.json",
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
        }

    def _keys(self) -> dict[str, Any]:
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [public | {"kid": self.key_id, "use": "sig", "alg": "RS256"}]}


def _json(document: dict[str, Any]) -> Response:
    return Response(json.dumps(document), 200, [("content-type", "application/json"), ("cache-control", "no-store")])
