"""The messages: integer type, direction, and which fields each one must or may carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["to_board", "to_host", "both"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `required` and `optional` name fields; `host_*` differ only for messages that go both ways."""

    type_id: int
    name: str
    direction: Direction
    required: tuple[str, ...]
    """Fields that must stand in the body sent to the board (or to the host, where only the board sends it)."""
    optional: tuple[str, ...]
    answer: tuple[str, ...]
    """Fields of the board's own message of this type, where it goes both ways."""
    always_allowed: bool
    """Understood even when the two schema hashes differ."""
    meaning: str


MESSAGES: tuple[Message, ...] = (
    Message(
        1,
        "HELLO",
        "both",
        ("schema_hash",),
        ("firmware",),
        ("schema_hash", "boot_id", "firmware", "board", "uid", "uptime_ms", "reset_cause", "config_crc"),
        True,
        "Opens a session and tells who is there. Layout frozen for ever.",
    ),
    Message(
        2,
        "HEALTH",
        "both",
        (),
        (),
        (
            "t_ms",
            "state",
            "outputs",
            "faults",
            "lease_ms",
            "heap_free",
            "tick_worst_us",
            "rx_bad",
            "tx_dropped",
            "retained",
            "lost",
            "events_lost",
            "hour_used",
            "day_used",
            "writes_today",
            "weakened",
        ),
        True,
        "Asks for, and answers with, the board's own condition.",
    ),
    Message(
        4,
        "LEASE",
        "to_board",
        (),
        ("lease_ms", "cmd_id"),
        (),
        False,
        "Takes or renews the right to command; answered only when refused or when it carries a cmd_id.",
    ),
    Message(
        5,
        "PULSE",
        "to_board",
        ("cmd_id", "not_after_ms", "output", "amount"),
        (),
        (),
        False,
        "Asks for one bounded pulse of one output.",
    ),
    Message(6, "STOP", "to_board", ("cmd_id", "output"), (), (), False, "Ends the pulse of one output."),
    Message(7, "STOP_ALL", "to_board", (), ("cmd_id",), (), True, "Ends every pulse. An empty body will always do."),
    Message(
        8,
        "SET_SAMPLING",
        "to_board",
        ("cmd_id", "period_ms"),
        ("not_after_ms",),
        (),
        False,
        "Sets the sampling period.",
    ),
    Message(
        9,
        "SAMPLE",
        "to_host",
        ("seq", "t_ms", "values", "outputs", "state"),
        ("why",),
        (),
        False,
        "One set of readings; live ones come before the backlog.",
    ),
    Message(
        10,
        "EVENT",
        "to_host",
        ("seq", "t_ms", "event", "a", "b"),
        (),
        (),
        False,
        "Something that happened; kept until acknowledged.",
    ),
    Message(
        11,
        "BACKFILL",
        "both",
        ("first_seq", "limit"),
        (),
        ("first_seq", "last_seq", "count"),
        False,
        "Asks for retained samples from a number on; closed by a BACKFILL that says what was sent.",
    ),
    Message(
        12,
        "ACK_UPTO",
        "to_board",
        (),
        ("up_to", "events_up_to"),
        (),
        False,
        "Cumulative: the host has stored everything up to here; the board may forget it.",
    ),
    Message(13, "TIME", "both", ("t1_ms",), (), ("t1_ms", "t2_ms", "t3_ms"), False, "Four-timestamp clock exchange."),
    Message(
        14,
        "CONFIG",
        "to_board",
        ("cmd_id", "not_after_ms", "config_key"),
        ("config_value",),
        (),
        False,
        "Sets or, without a value, reads one configuration entry (the RESULT carries it in `config_value`).",
    ),
    Message(
        15,
        "CLEAR_FAULT",
        "to_board",
        ("cmd_id", "not_after_ms", "fault"),
        (),
        (),
        False,
        "Clears one latched fault, if its cause is gone.",
    ),
    Message(
        16,
        "RESULT",
        "to_host",
        ("status", "reason", "delivered", "t_ms"),
        ("cmd_id", "output", "config_key", "config_value", "value", "bound"),
        (),
        False,
        "What became of a command. Without cmd_id: a message that had none was refused.",
    ),
)
"""All messages. Type 3 is never given: 3 is what a terminal sends for Ctrl-C."""

MESSAGE_BY_NAME: dict[str, Message] = {m.name: m for m in MESSAGES}
