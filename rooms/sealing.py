"""Secrets that must be read again, encrypted under the operator's: a database alone tells none of them.

A sealed text says its version, and is bound to its owner: in another row it cannot be read.
"""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = b"\x01"
KEY_BYTES, NONCE_BYTES = 32, 12

_PURPOSE = b"parley: secrets kept in the database"


class Unreadable(Exception):
    """What is sealed was sealed under another secret, for another owner, or was changed."""


class Sealer:
    """Encrypts and decrypts under one secret."""

    def __init__(self, secret: str) -> None:
        # Cursors are signed with the same secret: what one key does must tell nothing about the other.
        key = HKDF(SHA256(), KEY_BYTES, salt=None, info=_PURPOSE).derive(secret.encode())
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, owner: str) -> bytes:
        """Return the text, encrypted."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return VERSION + nonce + self._cipher.encrypt(nonce, plain, owner.encode())

    def unseal(self, sealed: bytes, owner: str) -> bytes:
        """Return what was sealed for the owner; raise Unreadable."""
        nonce = sealed[len(VERSION) : len(VERSION) + NONCE_BYTES]
        if not sealed.startswith(VERSION) or len(nonce) < NONCE_BYTES:
            raise Unreadable
        try:
            return self._cipher.decrypt(nonce, sealed[len(VERSION) + NONCE_BYTES :], owner.encode())
        except InvalidTag:
            raise Unreadable from None
