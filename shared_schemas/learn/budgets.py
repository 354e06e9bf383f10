"""Every budget of the learning loop, once: time, size, windows. Units are in the names."""

from __future__ import annotations

EPOCH_BOUNDARY_MS = 18.0
"""From the end of the last training step to the applied command: 3.5 + 12 + 1.5 + 1 below."""
BOUNDARY_ASSEMBLE_MS = 3.5
BOUNDARY_POLICY_MS = 12.0
BOUNDARY_COMMAND_MS = 1.5
BOUNDARY_GUARD_MS = 1.0

POLICY_INFERENCE_MS = 45.0
POLICY_BREAKER_MS = 60.0
"""Sustained, this opens the policy's circuit breaker."""
POLICY_WAIT_S = 2.0
"""The trainer waits so long, then goes on with a command that does nothing."""

FETCH_P50_MS = 10.0
"""Catalogue fetch, warm."""

MESSAGE_ENCODE_US = 80.0
MESSAGE_BYTES = 280
"""SystemStatePacket and AdaptationCommand as sent, tag included; a larger packet is split, never sent."""
MESSAGE_ALLOCATIONS = 4

FRESHNESS_MS = 60_000
"""A message older, or further ahead, than this is refused."""
NONCE_MEMORY_MS = 300_000
"""A nonce is remembered so long; longer than any message stays fresh."""

FAST_ROLLBACK_MS = 500.0
FULL_ROLLBACK_S = 12.0

REPORT_WINDOW_EPOCHS = 3
REPORT_SEND_MS = 200.0
REPORT_ACK_S = 2.0
REPORT_KEEP_H = 24.0

BUS_PUBLISH_P95_MS = 25.0
BUS_DELIVERY_P95_MS = 100.0
BUS_CONSERVATIVE_DEPTH = 4_000
BUS_NORMAL_DEPTH = 1_000
BUS_DROP_DEPTH = 8_000
BUS_EMERGENCY_PER_MIN = 120

NEW_PARAMETER_RATE = 0.1
"""Learning rate of new parameters over the base rate, until they are warm."""
WARM_UP_EPOCHS = 10

VIOLATIONS_TO_QUARANTINE = 3
VIOLATION_WINDOW_S = 300.0
