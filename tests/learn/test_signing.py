"""Tags, nonces and freshness: what is forged, stale, replayed or malformed is refused; keys rotate without a gap."""

from __future__ import annotations

import hmac
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.errors import TomatoError
from tomato_host.learn.keys import KEYS_FROM, SigningKeys
from tomato_host.learn.messages import encode_command
from tomato_host.learn.signing import LONG_TAG, MessageRefused, MessageSigner, MessageVerifier

from shared_schemas.learn.command_pb2 import AdaptationCommand, SlotAction, SlotCommand
from shared_schemas.learn.report_pb2 import PolicyUpdate

OLD, NEW = SigningKeys((b"o" * 32,)), SigningKeys((b"n" * 32,))
BOTH = SigningKeys((*NEW.keys, *OLD.keys))
START = 1_780_000_000_000


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.ms = START

    def __call__(self) -> int:
        return self.ms


def signer(clock: Clock, keys: SigningKeys = OLD) -> MessageSigner:
    numbers = count(1)
    return MessageSigner(keys, clock, lambda: next(numbers))


def command() -> AdaptationCommand:
    return AdaptationCommand(
        command_id=7,
        issuer="policy",
        slot=SlotCommand(action=SlotAction.SLOT_ACTION_GERMINATE, slot="vpd_kpa.0", blueprint=1),
    )


def why(verifier: MessageVerifier, raw: bytes) -> str:
    with pytest.raises(MessageRefused) as refusal:
        verifier.parse(raw, AdaptationCommand)
    return refusal.value.why


def test_a_signed_command_arrives_with_everything_it_held() -> None:
    clock = Clock()
    raw = encode_command(signer(clock), command())
    parsed = MessageVerifier(OLD, clock).parse(raw, AdaptationCommand)
    assert parsed.slot.slot == "vpd_kpa.0" and parsed.command_id == 7 and parsed.sent_ms == START
    assert len(parsed.tag) == LONG_TAG
    derived = hmac.digest(OLD.keys[0], b"tomato.learn.v1.AdaptationCommand", "sha256")
    assert parsed.tag == hmac.digest(derived, raw[: -LONG_TAG - 2], "sha256")[:LONG_TAG]


def test_every_flipped_bit_is_noticed() -> None:
    clock = Clock()
    raw = encode_command(signer(clock), command())
    for bit in range(len(raw) * 8):
        forged = bytearray(raw)
        forged[bit // 8] ^= 1 << bit % 8
        assert why(MessageVerifier(OLD, clock), bytes(forged)) == "tag"


@given(st.binary(max_size=300))
def test_no_bytes_from_elsewhere_pass(raw: bytes) -> None:
    with pytest.raises(MessageRefused):
        MessageVerifier(OLD, Clock()).parse(raw, AdaptationCommand)


def test_every_truncation_and_every_addition_is_refused() -> None:
    clock = Clock()
    raw = encode_command(signer(clock), command())
    for end in range(len(raw)):
        assert why(MessageVerifier(OLD, clock), raw[:end]) == "tag"
    assert why(MessageVerifier(OLD, clock), raw + b"\x08\x02") == "tag", "it would override a field"


def test_a_replayed_command_is_refused_for_as_long_as_it_could_be_fresh() -> None:
    clock = Clock()
    raw, verifier = encode_command(signer(clock), command()), MessageVerifier(OLD, clock)
    verifier.parse(raw, AdaptationCommand)
    assert why(verifier, raw) == "replayed"
    clock.ms += 60_000
    assert why(verifier, raw) == "replayed"
    clock.ms += 1
    assert why(verifier, raw) == "stale"


def test_a_clock_that_is_stepped_refuses_and_recovers() -> None:
    clock = Clock()
    verifier, sender = MessageVerifier(OLD, clock), signer(clock)
    raw = encode_command(sender, command())
    clock.ms -= 60_001
    assert why(verifier, raw) == "stale"
    clock.ms += 60_001 + 3_600_000
    assert why(verifier, raw) == "stale"
    verifier.parse(encode_command(sender, command()), AdaptationCommand)


def test_a_tag_of_one_kind_is_none_of_another() -> None:
    clock = Clock()
    update = PolicyUpdate(schema=1)
    sender = signer(clock)
    sender.stamp(update)
    assert why(MessageVerifier(OLD, clock), sender.encode(update)) == "tag"


def test_rotation_has_no_gap() -> None:
    """docs/learning.md: verify both, then sign with the new one, then drop the old one."""
    clock = Clock()
    old, new = signer(clock, OLD), signer(clock, BOTH)
    for sender, keys in ((old, OLD), (old, BOTH), (new, BOTH), (new, NEW)):
        MessageVerifier(keys, clock).parse(encode_command(sender, command()), AdaptationCommand)
    assert why(MessageVerifier(NEW, clock), encode_command(old, command())) == "tag"


def test_nonces_are_forgotten_after_five_minutes() -> None:
    clock = Clock()
    sender, verifier = signer(clock), MessageVerifier(OLD, clock)
    for _ in range(100):
        verifier.parse(encode_command(sender, command()), AdaptationCommand)
        clock.ms += 10_000
    assert len(verifier._seen) == 31


@pytest.mark.parametrize("text", ["", "abc", "zz" * 32, "00" * 31, f"{'00' * 32},11"])
def test_a_missing_short_or_broken_key_says_what_to_do(text: str) -> None:
    with pytest.raises(TomatoError, match=KEYS_FROM) as error:
        SigningKeys.from_environment({KEYS_FROM: text})
    assert error.value.code == "E-LEARN-KEYS"


def test_keys_are_read_in_order_and_never_shown() -> None:
    keys = SigningKeys.from_environment({KEYS_FROM: f"{'ab' * 32}, {'cd' * 32}"})
    assert keys.keys == (bytes.fromhex("ab" * 32), bytes.fromhex("cd" * 32))
    assert "ab" not in repr(keys) and "\\xab" not in repr(keys)
