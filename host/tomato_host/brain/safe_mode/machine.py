"""The state machine of the mode: NORMAL, CAUTION, SAFE, PAUSED, and the slow way back.

    NORMAL --HIGH anomaly--> CAUTION --`caution_s` after the last one--> NORMAL
    any    --cause--> SAFE --all causes gone for `calm_s`--> CAUTION --`recover_s` without a cause--> NORMAL
    PAUSED lies over NORMAL and CAUTION and never hides SAFE.

What the modes mean: NORMAL trusts the state; CAUTION still plans, with smaller doses and no CO2 (the guardrails'
`PROFILES`); SAFE switches off what its causes name and leaves light by the clock and moving air; PAUSED refuses every
program, the operator's own actions pass.

Causes are the rows of `causes.py`, independent of one another. Each has a test to enter and a stricter one to leave, so
that a value at the edge does not flicker (hysteresis). A sudden cause (leak, latched fault, lost link) counts at once;
one that can flicker (temperature, confidence) must last `hold_s`. A leak needs the operator's acknowledgement as well:
a dried sensor is no proof that the pipe is whole. SAFE holds as long as any cause holds. Outputs that a cause has
switched off stay off until SAFE is left, also when that cause is gone before the others.

Losing trust takes one step, regaining it takes `calm_s` + `recover_s`: a wrong entry costs the plant most of an hour of
plain light and air, a wrong exit may cost the floor.

`step` is pure: state and signals in, state and consequences out. Equal inputs give equal results, so a replay walks the
same modes. A clock that is set back does not make `hold_s` or `calm_s` longer: what began later than now counts from
now.

Alternatives considered. One "health score" with thresholds would hide which cause holds and what to do about it; here
every message names the cause and the next step. A timeout back to NORMAL would hand a broken sensor back to the
planner. Modes on the board were rejected: it has interlocks of its own and need not know how far the host trusts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared_schemas.devices import names_of
from shared_schemas.records.base import Mode
from tomato_host.brain.safe_mode.causes import CAUSE_BY_NAME, CAUSES, Cause
from tomato_host.brain.safe_mode.settings import SafeModeSettings
from tomato_host.brain.safe_mode.signals import Signals

KEEP_ON = names_of(stirs=True)
"""What runs through safe mode: moving air keeps mould away and harms nothing."""

_SUDDEN = tuple(cause for cause in CAUSES if cause.sudden)
_FLICKERING = tuple(cause for cause in CAUSES if not cause.sudden)


@dataclass(frozen=True, slots=True)
class SafeModeState:
    """What the machine remembers; pass it in again with the next signals. Plain data, so a restart can restore it."""

    mode: Mode = "NORMAL"
    since: datetime | None = None
    causes: tuple[str, ...] = ()
    """Causes that hold SAFE, in table order."""
    suspected: Mapping[str, datetime] = field(default_factory=dict)
    """Flickering causes and since when they are seen; they count after `hold_s`."""
    calm_since: datetime | None = None
    """In SAFE: since when no cause is left."""
    caution_until: datetime | None = None
    off: tuple[str, ...] = ()
    """Outputs that SAFE has switched off; they stay off until it is left."""

    def moved(self, by: timedelta) -> SafeModeState:
        """The same state after the wall clock was set: what has lasted a minute has still lasted a minute."""
        return replace(
            self,
            since=self.since and self.since + by,
            suspected={name: moment + by for name, moment in self.suspected.items()},
            calm_since=self.calm_since and self.calm_since + by,
            caution_until=self.caution_until and self.caution_until + by,
        )


@dataclass(frozen=True, slots=True)
class SafeModeStep:
    """The machine's answer to one set of signals."""

    state: SafeModeState
    changed: bool
    entered: tuple[str, ...]
    """Causes that are new in this step."""
    cleared: tuple[str, ...]
    switch_off: tuple[str, ...]
    keep_on: tuple[str, ...]
    ventilate: bool
    sampling_s: float | None
    """State records at this pace while the mode lasts; None: the usual pace."""
    notify: str | None
    """One line for a person, on every change of mode or causes."""


def step(state: SafeModeState, signals: Signals, settings: SafeModeSettings) -> SafeModeStep:
    """Take one step. Pure: equal inputs give equal answers; `signals.now` must not go backwards."""
    suspected = _suspected(state, signals, settings)
    if suspected or state.causes:
        causes = tuple(c.name for c in CAUSES if _holds(c, state, suspected, signals, settings))
    else:  # nothing to leave and nothing that could have lasted: as nearly always
        causes = tuple(c.name for c in _SUDDEN if c.enter(signals, settings))
    entered = tuple(name for name in causes if name not in state.causes)
    cleared = tuple(name for name in state.causes if name not in causes)
    same = suspected == state.suspected and causes == state.causes
    after = _next_mode(state if same else replace(state, suspected=suspected, causes=causes), signals, settings)
    changed = after.mode != state.mode
    if changed or state.since is None:
        after = replace(after, since=signals.now)
    return SafeModeStep(
        state=after,
        changed=changed,
        entered=entered,
        cleared=cleared,
        switch_off=after.off,
        keep_on=KEEP_ON if after.mode == "SAFE" else (),
        sampling_s=_sampling(after, settings),
        ventilate=any(CAUSE_BY_NAME[name].ventilate for name in causes),
        notify=_message(after, state.mode, entered, cleared, signals),
    )


def _suspected(state: SafeModeState, signals: Signals, settings: SafeModeSettings) -> dict[str, datetime]:
    """Flickering causes seen now, each with the time it was first seen without a break.

    A clock set back must not make a cause wait for its own past: what was first seen later than now counts from now.
    """
    return {
        c.name: min(state.suspected.get(c.name, signals.now), signals.now)
        for c in _FLICKERING
        if c.enter(signals, settings)
    }


def _holds(
    cause: Cause, state: SafeModeState, suspected: Mapping[str, datetime], signals: Signals, settings: SafeModeSettings
) -> bool:
    """Whether the cause counts now: newly in, or in and not yet allowed out."""
    if cause.name in state.causes:
        gone = cause.leave(signals, settings)
        return not (gone and (signals.operator_acknowledges or not cause.needs_operator))
    if cause.sudden:
        return cause.enter(signals, settings)
    since = suspected.get(cause.name)
    return since is not None and (signals.now - since).total_seconds() >= settings.hold_s


def _next_mode(state: SafeModeState, signals: Signals, settings: SafeModeSettings) -> SafeModeState:
    now = signals.now
    state = _bounded(state, now, settings)
    if state.causes:
        named = {name for cause in state.causes for name in CAUSE_BY_NAME[cause].switch_off}
        off = tuple(sorted(named | set(state.off)))
        return replace(state, mode="SAFE", calm_since=None, caution_until=None, off=off)
    if state.mode == "SAFE":
        calm_since = min(state.calm_since or now, now)
        if (now - calm_since).total_seconds() < settings.calm_s:
            return replace(state, calm_since=calm_since)
        return _calm(replace(state, calm_since=None, off=(), caution_until=_later(now, settings.recover_s)), signals)
    if signals.high or signals.water_not_arriving:
        lasting = _later(now, settings.caution_s)
        until = max(lasting, state.caution_until) if state.caution_until else lasting
        state = replace(state, caution_until=until)
    return _calm(state, signals)


def _bounded(state: SafeModeState, now: datetime, settings: SafeModeSettings) -> SafeModeState:
    """CAUTION lasts no longer from now than it ever may: an end that lies beyond was set by a clock that was ahead."""
    if state.caution_until is None:
        return state
    latest = _later(now, max(settings.caution_s, settings.recover_s))
    return replace(state, caution_until=latest) if state.caution_until > latest else state


def _calm(state: SafeModeState, signals: Signals) -> SafeModeState:
    """The mode when nothing holds SAFE."""
    until = state.caution_until
    if until is not None and signals.now >= until:
        until = None
    mode: Mode = "PAUSED" if signals.operator_paused else "CAUTION" if until else "NORMAL"
    same = mode == state.mode and until == state.caution_until
    return state if same else replace(state, mode=mode, caution_until=until)


def _later(now: datetime, seconds: float) -> datetime:
    return datetime.fromtimestamp(now.timestamp() + seconds, now.tzinfo)


def _sampling(state: SafeModeState, settings: SafeModeSettings) -> float | None:
    return {"SAFE": settings.sampling_safe_s, "CAUTION": settings.sampling_caution_s}.get(state.mode)


def _message(
    state: SafeModeState, before: Mode, entered: tuple[str, ...], cleared: tuple[str, ...], signals: Signals
) -> str | None:
    if entered:
        rows = [CAUSE_BY_NAME[name] for name in entered]
        return f"{state.mode}: " + " ".join(f"{row.message} Next: {row.next_step}." for row in rows)
    if state.mode != before:
        return f"{state.mode}: {_why_changed(state, before, signals)}"
    if cleared:
        return f"{state.mode}: gone: {', '.join(cleared)}."
    return None


def _why_changed(state: SafeModeState, before: Mode, signals: Signals) -> str:
    """Why the mode is another one now, when no cause of safe mode has entered."""
    if state.mode == "PAUSED":
        return "paused by the operator."
    if state.mode != "CAUTION":
        return "the pause is over." if before == "PAUSED" else "nothing has been wrong for long enough."
    if before == "SAFE":
        return "every cause of safe mode is gone; trust is returning."
    open_now = (*signals.high, *(("water not arriving",) if signals.water_not_arriving else ()))
    doses = f"smaller doses while it lasts: {', '.join(dict.fromkeys(open_now)) or 'a HIGH anomaly'}."
    return f"the pause is over; {doses}" if before == "PAUSED" else doses
