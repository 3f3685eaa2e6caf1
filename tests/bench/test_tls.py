"""The benchmark's stand-ins speak TLS, with a certificate of the run's own authority."""

import socket
import ssl
from pathlib import Path

import pytest

from bench import tls
from tests.minting.raw import ANSWER, RawServer


def asked(port: str, context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection(("localhost", int(port))) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        secured.sendall(b"POST / HTTP/1.1\r\n\r\n{}")
        return secured.recv(len(ANSWER))


def test_a_stand_in_is_reached_over_tls_by_those_who_trust_the_authority(tmp_path: Path) -> None:
    def serve(connection: socket.socket) -> None:
        server.take(connection)
        connection.sendall(ANSWER)

    with RawServer(serve) as server:
        environment = {"AWS_ENDPOINT_URL": server.url, "CONVAI_API_URL": f"{server.url}/a", "LIMITS_TABLE": "t"}
        with tls.fronts(tmp_path, [environment]) as ports:
            (port,) = ports.values()
            assert asked(port, ssl.create_default_context(cafile=tmp_path / "ca.pem")) == ANSWER
            with pytest.raises(ssl.SSLCertVerificationError):
                asked(port, ssl.create_default_context())
            assert tls.secured(environment, ports) == {
                "AWS_ENDPOINT_URL": f"https://localhost:{port}",
                "CONVAI_API_URL": f"https://localhost:{port}/a",
                "LIMITS_TABLE": "t",
            }
