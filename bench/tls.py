"""TLS in front of the stand-ins, with a certificate authority for one run, in a process of its own.

Usage: python -m bench.tls FOLDER PORT...
"""

import asyncio
import re
import ssl
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

PLAIN = re.compile(r"http://127\.0\.0\.1:(\d+)")


@contextmanager
def fronts(folder: Path, environments: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
    """Puts TLS in front of each stand-in that the environments name. Yields the ports by the plain ones.

    Writes the authority's certificate to `folder`/ca.pem.
    """
    _issue(folder)
    ports = sorted(
        {port for environment in environments for value in environment.values() for port in PLAIN.findall(value)}
    )
    command = [sys.executable, "-m", "bench.tls", str(folder), *ports]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield dict(zip(ports, process.stdout.readline().split(), strict=True))
        finally:
            process.kill()


def secured(environment: dict[str, str], ports: dict[str, str]) -> dict[str, str]:
    """The environment with the addresses of the fronts."""
    return {
        name: PLAIN.sub(lambda found: f"https://localhost:{ports[found[1]]}", value)
        for name, value in environment.items()
    }


def _issue(folder: Path) -> None:
    """Writes ca.pem, and server.pem with its key: both elliptic, as those of many vendors."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")]), datetime.now(UTC)
    base = x509.CertificateBuilder().issuer_name(name).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    root = (
        base.subject_name(name)
        .public_key(authority.public_key())
        .serial_number(1)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority.public_key()), critical=False)
        .add_extension(_usage(signs=True), critical=True)
        .sign(authority, hashes.SHA256())
    )
    server = (
        base.subject_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(2)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(_usage(signs=False), critical=True)
        .sign(authority, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(root.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(server.public_bytes(Encoding.PEM) + private)


def _usage(*, signs: bool) -> x509.KeyUsage:
    unused = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
        **unused,
    )


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # one of both has hung up
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    writer.close()


async def _serve(folder: str, ports: list[str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(folder) / "server.pem")
    servers = [await _front(context, int(port)) for port in ports]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.Event().wait()


async def _front(context: ssl.SSLContext, port: int) -> asyncio.Server:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plain_reader, plain_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pipe(reader, plain_writer), _pipe(plain_reader, writer))

    return await asyncio.start_server(converse, "localhost", 0, ssl=context)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2:]))
