"""The one transition table of the board: what each state becomes on each trigger."""

from tomato import contract as c

BEGUN = 0
SETTLED = 1
LEASE = 2
LAPSED = 3
ABANDONED = 4
HALT = 5
CLEARED = 6
TRIGGERS = ("begun", "settled", "lease", "lapsed", "abandoned", "halt", "cleared")

_B, _S, _R, _L, _V, _F = (c.STATE_BOOT, c.STATE_SAFE, c.STATE_READY, c.STATE_LEASED, c.STATE_SURVIVAL, c.STATE_FAULT)

# begun: first safety tick. settled: inputs had time to be read. lease: the host's deciding loop asked for it.
# lapsed: lease over. abandoned: ten minutes without a lease. halt: a fault that stops everything. cleared: none left.
#    begun settled lease lapsed abandoned halt cleared
# fmt: off
TABLE = (
    (_S,   _B,     _B,   _B,    _B,       _B,  _B),     # BOOT
    (_S,   _R,     _S,   _S,    _S,       _F,  _S),     # SAFE
    (_R,   _R,     _L,   _R,    _V,       _F,  _R),     # READY
    (_L,   _L,     _L,   _R,    _L,       _F,  _L),     # LEASED
    (_V,   _V,     _L,   _V,    _V,       _F,  _V),     # SURVIVAL
    (_F,   _F,     _F,   _F,    _F,       _F,  _R),     # FAULT
)
# fmt: on

# Light: (period_ms, on_ms) per state, so that a person at the tent sees the state without a computer.
BLINK = ((4000, 0), (200, 100), (2000, 100), (2000, 1900), (1000, 500), (400, 200))
# Buzzer: the same while an alarm fault is latched.
BEEP = (1000, 200)
BLINK_CYCLE_MS = 4000


def after(state, trigger):
    """The state that follows."""
    return TABLE[state][trigger]
