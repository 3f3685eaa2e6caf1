"""Writes certifi's roots as one file each, under the names by which OpenSSL looks them up.

To load all roots takes a sixth of a cold start, and a function needs two or three of them. `sam build` runs this for the
layer, as `openssl rehash` would, but needs no openssl.

Usage: python roots.py BUNDLE FOLDER
"""

import hashlib
import re
import ssl
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)
ENCODINGS = {
    0x0C: "utf-8",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1A: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}
"""By ASN.1 tag: the strings that OpenSSL compares without regard to case and repeated spaces."""
UTF8 = 0x0C
EXPLICIT_VERSION = 0xA0


def parts(der: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The elements of a DER value: their tags, their contents, and both as they stand."""
    at = 0
    while at < len(der):
        start, length = at + 2, der[at + 1]
        if length > 0x7F:
            start += length & 0x7F
            length = int.from_bytes(der[at + 2 : start])
        yield der[at], der[start : start + length], der[at : start + length]
        at = start + length


def element(tag: int, content: bytes) -> bytes:
    """One DER element."""
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8 or 1)
    return bytes([tag, *([0x80 | len(size)] if len(content) > 0x7F else []), *size]) + content


def subject(certificate: bytes) -> bytes:
    """The subject's name, in DER."""
    _, whole, _ = next(parts(certificate))
    _, signed, _ = next(parts(whole))
    fields = [content for tag, content, _ in parts(signed) if tag != EXPLICIT_VERSION]
    return fields[4]  # after the serial number, the algorithm, the issuer and the validity


def attribute(content: bytes) -> bytes:
    """An attribute of a name as OpenSSL compares it (crypto/x509/x_name.c, asn1_string_canon)."""
    (_, _, kind), (tag, value, text) = parts(content)
    if tag in ENCODINGS:
        plain = " ".join(re.findall(r"[^ \t\n\v\f\r]+", value.decode(ENCODINGS[tag])))
        text = element(UTF8, re.sub("[A-Z]+", lambda upper: upper[0].lower(), plain).encode())
    return element(0x30, kind + text)


def name_hash(certificate: bytes) -> str:
    """The beginning of the file's name: X509_NAME_hash of OpenSSL 1.0 and later."""
    sets = (sorted(attribute(each) for _, each, _ in parts(content)) for _, content, _ in parts(subject(certificate)))
    digest = hashlib.sha1(b"".join(element(0x31, b"".join(each)) for each in sets), usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def write(bundle: str, folder: Path) -> None:
    """Writes each certificate of a PEM bundle to the new `folder`, as HASH.NUMBER. Raises ValueError if there is none."""
    certificates = CERTIFICATE.findall(bundle)
    if not certificates:
        raise ValueError("the bundle holds no root")
    folder.mkdir(parents=True)
    taken = Counter[str]()
    for pem in certificates:
        name = name_hash(ssl.PEM_cert_to_DER_cert(pem))
        (folder / f"{name}.{taken[name]}").write_text(pem)
        taken[name] += 1


if __name__ == "__main__":
    write(Path(sys.argv[1]).read_text(), Path(sys.argv[2]))
