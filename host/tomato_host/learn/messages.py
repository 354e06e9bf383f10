"""Build and encode the messages of the epoch boundary within their size: only changed slots, split, never oversize."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared_schemas.learn.budgets import MESSAGE_BYTES
from shared_schemas.learn.command_pb2 import AdaptationCommand
from shared_schemas.learn.state_pb2 import SlotState, SystemStatePacket
from tomato_host.learn.signing import SHORT_TAG, MessageSigner

SCHEMA = 1
MOST_NAME_BYTES = 20
"""Longest name of a slot."""

_TAG_BYTES = SHORT_TAG + 2


def encode_state(
    signer: MessageSigner, run_id: int, epoch: int, metrics: Mapping[int, float], changed: Iterable[SlotState]
) -> list[bytes]:
    """The signed packets of one epoch, each of at most MESSAGE_BYTES: metrics in the first, slots spread over all.

    Raises ValueError when one slot or the metrics alone exceed a packet (a name too long, more than 20 metrics).
    """
    packets = [_packet(signer, run_id, epoch)]
    packets[0].metrics.update(metrics)
    for slot in changed:
        packets[-1].slots.append(slot)
        if _size(packets[-1]) <= MESSAGE_BYTES:
            continue
        del packets[-1].slots[-1]
        packets.append(_packet(signer, run_id, epoch))
        packets[-1].slots.append(slot)
    for part, packet in enumerate(packets):
        packet.part, packet.parts = part, len(packets)
        if _size(packet) > MESSAGE_BYTES:
            raise ValueError(f"{_size(packet)} bytes in one packet, {MESSAGE_BYTES} are allowed: slot name or metrics")
    return [signer.encode(packet) for packet in packets]


def encode_command(signer: MessageSigner, command: AdaptationCommand) -> bytes:
    """Stamp, sign and encode a command. Raises ValueError above MESSAGE_BYTES."""
    command.schema = SCHEMA
    signer.stamp(command)
    raw = signer.encode(command)
    if len(raw) > MESSAGE_BYTES:
        raise ValueError(f"a command of {len(raw)} bytes, {MESSAGE_BYTES} are allowed: fewer parameters")
    return raw


def _packet(signer: MessageSigner, run_id: int, epoch: int) -> SystemStatePacket:
    # `part` and `parts` are counted as one byte each until they are known; 127 parts are more than slots exist.
    packet = SystemStatePacket(schema=SCHEMA, run_id=run_id, epoch=epoch, part=1, parts=1)
    signer.stamp(packet)
    return packet


def _size(packet: SystemStatePacket) -> int:
    return int(packet.ByteSize()) + _TAG_BYTES
