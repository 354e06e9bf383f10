"""Publication of a policy: stored, announced over the bus, received, verified and promoted on the other side."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shared_schemas.learn.report_pb2 import PolicyUpdate
from tomato_host.errors import TomatoError
from tomato_host.learn.bus.connect import groups_of
from tomato_host.learn.bus.consumer import LearnConsumer
from tomato_host.learn.bus.publisher import LearnPublisher, PublishResult
from tomato_host.learn.bus.report_link import QUEUED_FRESHNESS_MS
from tomato_host.learn.keys import SigningKeys
from tomato_host.learn.messages import SCHEMA
from tomato_host.learn.policy.hot_reload import promote, read_promotion, store_policy
from tomato_host.learn.policy.view import FEATURE_VERSION
from tomato_host.learn.settings import LearnBusSettings
from tomato_host.learn.signing import MessageRefused, MessageSigner, MessageVerifier
from tomato_host.logs import Log

_log = Log("learn.policy")


def announce(
    client: Any,
    settings: LearnBusSettings,
    signer: MessageSigner,
    version: int,
    body: bytes,
    figures: Mapping[str, float],
    replaces: int = 0,
) -> PublishResult:
    """Publish weights with their hash and what the validation measured. Raises TomatoError E-LEARN-BUS."""
    update = PolicyUpdate(
        schema=SCHEMA, policy_version=version, replaces=replaces, feature_version=FEATURE_VERSION,
        sha256=hashlib.sha256(body).digest(), weights=body, validation=figures,
    )  # fmt: skip
    signer.stamp(update)
    return LearnPublisher(client, settings, groups_of(settings)).publish(
        settings.update_stream, signer.encode(update), held=True
    )


class UpdateReceiver:
    """Receives policies: each is verified, stored and promoted; the loop reloads it before its next epoch."""

    def __init__(
        self, client: Any, settings: LearnBusSettings, root: Path, keys: SigningKeys, now_ms: Callable[[], int]
    ) -> None:
        self.root = root
        self._verifier = MessageVerifier(keys, now_ms, QUEUED_FRESHNESS_MS)
        handlers = {settings.update_stream: self._receive}
        self.consumer = LearnConsumer(client, settings.policy_group, "updates", handlers, settings.claim_s)
        self.promoted: list[int] = []
        self.refused: list[str] = []

    def poll(self, patience_s: float = 0.0) -> int:
        """Handle what came. Raises TomatoError E-LEARN-BUS, OSError."""
        return self.consumer.poll(patience_s)

    def _receive(self, raw: bytes) -> None:
        try:
            update = self._verifier.parse(raw, PolicyUpdate)
            self._check(update)
            store_policy(self.root, update.policy_version, update.weights)
            promote(self.root, update.policy_version)
        except (MessageRefused, ValueError, TomatoError) as error:
            why = getattr(error, "why", str(error))
            self.refused.append(why[:100])
            _log.warning("policy_update_refused", why=why[:200])
            return
        self.promoted.append(update.policy_version)

    def _check(self, update: PolicyUpdate) -> None:
        if update.feature_version != FEATURE_VERSION:
            raise ValueError(f"features {update.feature_version!r}")
        if hashlib.sha256(update.weights).digest() != update.sha256:
            raise ValueError("the hash is another one")
        held = read_promotion(self.root)
        if update.policy_version <= max(held.version, held.before):
            raise ValueError(f"version {update.policy_version} is not newer than {held.version}")
