"""Every field a message may carry: its integer key, type, unit and range. One name, one key, for all messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WireType = Literal["uint", "int", "bytes", "text", "values", "counts", "whys"]
"""`values`: array of integers or null, by sensor. `counts`: array of unsigned. `whys`: sensor id -> WHY code."""

ID_MAX = (1 << 30) - 1
"""Ids stay below 2^30: a MicroPython small integer on a 32-bit board holds no more without the heap."""
TIME_MAX_MS = (1 << 53) - 1


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `lowest`/`highest` bound the integer, or the length of bytes, text and arrays."""

    key: int
    name: str
    type: WireType
    unit: str
    lowest: int
    highest: int
    meaning: str


FIELDS: tuple[Field, ...] = (
    Field(0, "type", "uint", "", 1, 255, "Message type; stands in the frame's header, never in the body."),
    Field(1, "cmd_id", "uint", "", 1, ID_MAX, "Names one command; a repeat returns the stored result."),
    Field(2, "not_after_ms", "uint", "ms", 0, TIME_MAX_MS, "Board time after which the command is void."),
    Field(3, "output", "uint", "", 0, 31, "Output by its wire_id."),
    Field(4, "amount", "uint", "ms|ml", 1, 1_000_000, "Size of a pulse in the output's dose unit."),
    Field(5, "status", "uint", "", 0, 3, "ACCEPTED, REJECTED, DONE or ABORTED."),
    Field(6, "reason", "uint", "", 0, 255, "Why a command was rejected or aborted."),
    Field(7, "delivered", "uint", "ms|ml", 0, ID_MAX, "What was really delivered, in the output's dose unit."),
    Field(8, "t_ms", "uint", "ms", 0, TIME_MAX_MS, "Board time since boot, wrap-extended."),
    Field(9, "seq", "uint", "", 0, ID_MAX, "Number of a sample or event since boot."),
    Field(10, "values", "values", "", 0, 32, "Readings by sensor wire_id, each times its scale; null = no value."),
    Field(11, "why", "whys", "", 0, 32, "For each reading without a value: the reason by WHY code."),
    Field(12, "outputs", "uint", "", 0, 0xFFFF, "Bit n set: output with wire_id n is on."),
    Field(13, "state", "uint", "", 0, 15, "State of the board."),
    Field(14, "lease_ms", "uint", "ms", 0, 60_000, "Lease asked for, or what is left of it."),
    Field(15, "fault", "uint", "", 0, 31, "Fault by its id."),
    Field(16, "event", "uint", "", 0, 255, "Kind of event."),
    Field(17, "a", "int", "", -ID_MAX, ID_MAX, "First detail of an event."),
    Field(18, "b", "int", "", -ID_MAX, ID_MAX, "Second detail of an event."),
    Field(19, "period_ms", "uint", "ms", 1_000, 600_000, "Sampling period."),
    Field(20, "up_to", "uint", "", 0, ID_MAX, "The host has stored all samples up to and including this one."),
    Field(21, "events_up_to", "uint", "", 0, ID_MAX, "The same for events."),
    Field(22, "first_seq", "uint", "", 0, ID_MAX, "First sample asked for, or first one looked at."),
    Field(23, "faults", "uint", "", 0, 0xFFFF_FFFF, "Bit n set: fault n is latched."),
    Field(24, "limit", "uint", "", 1, 64, "Largest number of records in one answer."),
    Field(25, "last_seq", "uint", "", 0, ID_MAX, "Last sample covered by this answer."),
    Field(26, "count", "uint", "", 0, 65_535, "Number of records sent in this answer."),
    Field(27, "t1_ms", "uint", "ms", 0, TIME_MAX_MS, "Host time at which the request left; echoed."),
    Field(28, "t2_ms", "uint", "ms", 0, TIME_MAX_MS, "Board time at which the request arrived."),
    Field(29, "t3_ms", "uint", "ms", 0, TIME_MAX_MS, "Board time at which the answer left."),
    Field(30, "config_key", "uint", "", 0, 255, "Configuration entry by its key."),
    Field(31, "config_value", "int", "", -ID_MAX, ID_MAX, "New value, scaled as in the table; absent = read."),
    # HELLO: frozen for ever. Never change, never reuse, never extend.
    Field(32, "schema_hash", "bytes", "", 8, 8, "First 8 bytes of SHA-256 over the wire tables."),
    Field(33, "boot_id", "uint", "", 0, ID_MAX, "Drawn at every boot; names the board's time line."),
    Field(34, "firmware", "text", "", 0, 24, "Version of the sender's software."),
    Field(35, "board", "text", "", 0, 24, "Kind of board."),
    Field(36, "uid", "bytes", "", 0, 16, "The chip's own number."),
    Field(37, "uptime_ms", "uint", "ms", 0, TIME_MAX_MS, "Board time now."),
    Field(38, "reset_cause", "uint", "", 0, 15, "Cause of the last reset as MicroPython tells it."),
    Field(39, "config_crc", "uint", "", 0, 0xFFFF_FFFF, "CRC-32 of the stored configuration; 0 = none stored."),
    # HEALTH
    Field(40, "heap_free", "uint", "byte", 0, ID_MAX, "Free heap."),
    Field(41, "tick_worst_us", "uint", "us", 0, ID_MAX, "Longest safety tick since the last HEALTH."),
    Field(42, "rx_bad", "uint", "", 0, ID_MAX, "Frames dropped since boot: CRC, length or content."),
    Field(43, "tx_dropped", "uint", "", 0, ID_MAX, "Frames not sent because nobody read."),
    Field(44, "retained", "uint", "", 0, 65_535, "Samples held for the host."),
    Field(45, "lost", "uint", "", 0, ID_MAX, "Samples thinned out while the host was away."),
    Field(46, "events_lost", "uint", "", 0, ID_MAX, "Events overwritten while the host was away."),
    Field(47, "hour_used", "counts", "s|ml", 0, 16, "Hour budget used, by output wire_id."),
    Field(48, "day_used", "counts", "s|ml", 0, 16, "Day budget used, by output wire_id."),
    Field(49, "writes_today", "uint", "", 0, 65_535, "Flash writes in the last 24 h."),
    Field(50, "value", "int", "", -ID_MAX, ID_MAX, "What the rule that refused or aborted saw, in wire units."),
    Field(51, "bound", "int", "", -ID_MAX, ID_MAX, "The limit it holds."),
    Field(52, "weakened", "uint", "", 0, 0xFFFF, "Bit n set: the configuration takes away protection n."),
)
"""All fields, by key."""

FIELD_BY_NAME: dict[str, Field] = {f.name: f for f in FIELDS}
