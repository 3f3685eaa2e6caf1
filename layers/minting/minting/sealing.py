"""Authenticated encryption with a secret that encrypts one text only (encrypt-then-MAC).

The key stream is SHAKE256 (FIPS 202) and the tag is HMAC-SHA-256 (FIPS 198-1), each with a key of
its own that HMAC derives from the secret. Python's standard library has no cipher, and
`cryptography` would be loaded at each cold start.

Threats. A reader of the table, a backup or a log sees the sealed text and never the secret: it
learns only the length. The tag reveals a change by a writer of the table. DANGER: a second text
under the same secret would reuse the key stream, and both texts would be readable. So the secret
must be random, of at least 128 bits, and must seal once.
"""

import hashlib
import hmac

TAG_BYTES = 32


def seal(secret: str, text: bytes) -> bytes:
    """The encrypted text, followed by its tag. Use each secret once."""
    hidden = _crossed(secret, text)
    return hidden + _tag(secret, hidden)


def unseal(secret: str, sealed: bytes) -> bytes:
    """The text that was sealed with the secret.

    Raises ValueError for another secret or a changed byte.
    """
    hidden, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(secret, hidden)):
        raise ValueError("sealed with another secret, or changed")
    return _crossed(secret, hidden)


def derived(secret: str, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose.

    It tells nothing about the secret or about the keys for other purposes.
    """
    return hmac.digest(secret.encode(), purpose.encode(), "sha256")


def _crossed(secret: str, text: bytes) -> bytes:
    stream = hashlib.shake_256(derived(secret, "stream")).digest(len(text))
    return bytes(a ^ b for a, b in zip(text, stream, strict=True))


def _tag(secret: str, hidden: bytes) -> bytes:
    return hmac.digest(derived(secret, "tag"), hidden, "sha256")
