"""The shared keys of the learning loop's messages, from the environment; rotation is described in docs/learning.md."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from tomato_host.errors import TomatoError

KEYS_FROM = "TOMATO_LEARN_KEYS"
"""Environment variable: hexadecimal keys of at least 32 bytes, by comma. The first signs, all of them verify."""

_KEY_BYTES = 32


@dataclass(frozen=True)
class SigningKeys:
    """The shared keys, the signing one first. Never logged: no key stands in the text of this object."""

    keys: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> SigningKeys:
        """Read `KEYS_FROM`. Raises TomatoError E-LEARN-KEYS when it is missing, too short or not hexadecimal."""
        text = (os.environ if environment is None else environment).get(KEYS_FROM, "")
        try:
            keys = tuple(bytes.fromhex(part.strip()) for part in text.split(",") if part.strip())
        except ValueError:
            keys = ()
        if not keys or any(len(key) < _KEY_BYTES for key in keys):
            raise TomatoError(
                "E-LEARN-KEYS",
                f"{KEYS_FROM} holds no list of hexadecimal keys of at least {_KEY_BYTES} bytes.",
                f"export {KEYS_FROM}=$(python -c 'import secrets; print(secrets.token_hex(32))'); docs/learning.md",
            )
        return cls(keys)

    def of_kind(self, kind: str) -> tuple[bytes, ...]:
        """The keys for one kind of message."""
        return tuple(hmac.digest(key, f"tomato.learn.v1.{kind}".encode(), "sha256") for key in self.keys)
