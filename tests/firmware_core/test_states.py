"""The ways through the transition table: each by what really happens, with its event and its way back."""

from tomato import contract as c
from tomato.core import states

from tests.firmware_core.rig import STATES, MemoryStore, Rig, in_state

NAMES = {
    "boot": c.STATE_BOOT,
    "safe": c.STATE_SAFE,
    "ready": c.STATE_READY,
    "leased": c.STATE_LEASED,
    "survival": c.STATE_SURVIVAL,
    "fault": c.STATE_FAULT,
}

# Every change there is; whatever is not listed keeps the state.
CHANGES = {
    ("boot", "begun"): "safe",
    ("safe", "settled"): "ready",
    ("safe", "halt"): "fault",
    ("ready", "lease"): "leased",
    ("ready", "abandoned"): "survival",
    ("ready", "halt"): "fault",
    ("leased", "lapsed"): "ready",
    ("leased", "halt"): "fault",
    ("survival", "lease"): "leased",
    ("survival", "halt"): "fault",
    ("fault", "cleared"): "ready",
}


def test_the_table_is_the_one_in_the_design():
    for state in STATES:
        for number, trigger in enumerate(states.TRIGGERS):
            want = CHANGES.get((state, trigger), state)
            assert states.after(NAMES[state], number) == NAMES[want], (state, trigger)


def test_the_happenings_are_numbered_as_named():
    numbers = [states.BEGUN, states.SETTLED, states.LEASE, states.LAPSED, states.ABANDONED, states.HALT, states.CLEARED]
    assert numbers == list(range(len(states.TRIGGERS)))


def test_boot_to_safe_at_the_first_tick_and_to_ready_after_settling():
    rig = Rig()
    assert rig.core.state == c.STATE_BOOT
    rig.step()
    assert rig.core.state == c.STATE_SAFE
    rig.run(c.SETTLE_MS - 50)
    assert rig.core.state == c.STATE_SAFE
    rig.step()
    assert rig.core.state == c.STATE_READY
    assert rig.events(c.EV_STATE) == [(c.STATE_BOOT, c.STATE_SAFE), (c.STATE_SAFE, c.STATE_READY)]


def test_the_first_tick_takes_any_clock_as_its_zero():
    rig = Rig(t_ms=10**12)
    rig.step()
    assert rig.core.state == c.STATE_SAFE
    assert rig.core.tick_gap_ms == 0


def test_no_lease_before_ready():
    for name in ("boot", "safe"):
        rig = in_state(name)
        answer = rig.send(c.M_LEASE)
        assert (answer[c.F_STATUS], answer[c.F_REASON]) == (c.STATUS_REJECTED, c.R_STATE), name
        assert answer[c.F_VALUE] == c.STATE_SAFE


def test_a_lease_lasts_five_seconds_and_not_a_tick_more():
    rig = in_state("ready")
    assert rig.lease()[c.F_STATUS] == c.STATUS_ACCEPTED
    assert rig.core.state == c.STATE_LEASED
    rig.run(c.LEASE_MS - 50)
    assert rig.core.state == c.STATE_LEASED
    rig.step()
    assert rig.core.state == c.STATE_READY
    assert rig.events(c.EV_LEASE_LOST) == [(0, 0)]


def test_the_lapsed_lease_names_what_it_dropped():
    rig = in_state("leased")
    rig.pulse(c.OUT_CIRCULATION_FAN)
    rig.hold_lease = False
    rig.run(6_000)
    assert rig.events(c.EV_LEASE_LOST) == [(1 << c.OUT_CIRCULATION_FAN, 0)]


def test_a_lease_may_be_shorter_but_never_longer():
    rig = in_state("ready")
    rig.send(c.M_LEASE, lease_ms=60_000)
    assert rig.core.lease_ms == c.LEASE_MS
    rig.send(c.M_LEASE, lease_ms=100)
    assert rig.core.lease_ms == 100
    rig.send(c.M_LEASE, lease_ms=0)
    rig.step()
    assert rig.core.state == c.STATE_READY


def test_a_zero_lease_takes_nothing():
    rig = in_state("ready")
    rig.send(c.M_LEASE, lease_ms=0)
    assert rig.core.state == c.STATE_READY


def test_malformed_leases():
    for bad in ("x", 1.5, None, [], -1, True):
        rig = in_state("ready")
        assert rig.send(c.M_LEASE, lease_ms=bad)[c.F_REASON] == c.R_MALFORMED, bad
        assert rig.core.state == c.STATE_READY


def test_survival_after_ten_minutes_alone_and_back_with_a_lease():
    rig = in_state("ready")
    alone = rig.core.alone_ms
    rig.run(c.SURVIVAL_AFTER_MS - alone - 50)
    assert rig.core.state == c.STATE_READY
    rig.step()
    assert rig.core.state == c.STATE_SURVIVAL
    rig.lease()
    assert rig.core.state == c.STATE_LEASED
    assert rig.events(c.EV_STATE)[-2:] == [(c.STATE_READY, c.STATE_SURVIVAL), (c.STATE_SURVIVAL, c.STATE_LEASED)]


def test_a_host_that_talks_but_does_not_lease_does_not_hold_survival_off():
    rig = in_state("ready")
    for _ in range(700):
        rig.send(c.M_STOP_ALL)
        rig.step(1_000)
    assert rig.core.state == c.STATE_SURVIVAL


def test_survival_can_be_switched_off():
    rig = in_state("ready")
    rig.press(c.BUTTON_LONG_MS)
    assert rig.send(c.M_CONFIG, config_key=c.CFG_SURVIVAL_ENABLED, config_value=0)[c.F_STATUS] == c.STATUS_DONE
    rig.run(700_000, 1_000)
    assert rig.core.state == c.STATE_READY
    assert rig.core.next_due_ms(rig.t) - rig.t > 100_000_000


def test_fault_and_the_way_back():
    rig = in_state("leased")
    rig.core.inputs.estop = 1
    rig.run(300)
    assert rig.core.state == c.STATE_FAULT
    assert rig.lease()[c.F_STATUS] == c.STATUS_ACCEPTED
    assert rig.core.state == c.STATE_FAULT
    rig.core.inputs.estop = 0
    rig.step()
    assert rig.core.state == c.STATE_FAULT
    rig.press(c.BUTTON_LONG_MS)
    assert rig.send(c.M_CLEAR_FAULT, fault=c.FAULT_ESTOP)[c.F_STATUS] == c.STATUS_DONE
    assert rig.core.state == c.STATE_READY
    rig.lease()
    assert rig.core.state == c.STATE_LEASED


def test_a_halt_while_settling():
    rig = in_state("safe")
    rig.core.inputs.estop = 1
    rig.run(300)
    assert rig.core.state == c.STATE_FAULT


def test_a_tick_that_comes_hours_late_ends_everything_it_should_have_ended():
    rig = in_state("leased")
    rig.pulse(c.OUT_LIGHT)
    rig.hold_lease = False
    rig.step(5 * 3_600_000)
    assert rig.core.state == c.STATE_SURVIVAL
    assert rig.ended[-1][c.F_DELIVERED] == 60_000
    assert rig.core.tick_gap_ms == 5 * 3_600_000


def test_a_clock_that_jumps_back_moves_nothing():
    rig = in_state("leased")
    rig.pulse(c.OUT_LIGHT)
    rig.run(10_000)
    left = rig.core.left_ms(c.OUT_LIGHT)
    rig.t -= 1_000_000
    rig.step(50)
    assert rig.core.left_ms(c.OUT_LIGHT) == left
    rig.run(50_000)
    assert not rig.running(c.OUT_LIGHT)


def test_the_next_due_moment_is_the_soonest_of_all_timers():
    rig = in_state("safe")
    assert rig.core.next_due_ms(rig.t) == rig.t + c.SETTLE_MS
    rig = in_state("ready")
    assert rig.core.next_due_ms(rig.t) == rig.t + c.SURVIVAL_AFTER_MS - rig.core.alone_ms
    rig.lease()
    assert rig.core.next_due_ms(rig.t) == rig.t + c.LEASE_MS
    rig.run(1_000)
    assert rig.core.next_due_ms(rig.t) == rig.t + c.LEASE_MS - 1_000
    rig.pulse(c.OUT_CIRCULATION_FAN, 2_000)
    assert rig.core.next_due_ms(rig.t) == rig.t + 2_000
    rig.pulse(c.OUT_WATER_PUMP, 100)
    rig.run(1_000)
    rig.lease()
    assert rig.core.next_due_ms(rig.t) == rig.t + 1_000
    rig.run(1_000)
    rig.lease()
    assert rig.core.flow.dry_ms < 200
    assert rig.core.next_due_ms(rig.t) == rig.t + c.FLOW_CHECK_AFTER_MS - rig.core.flow.dry_ms
    rig.core.inputs.button = 1
    assert rig.core.next_due_ms(rig.t) == rig.t + c.SAFETY_TICK_MS
    rig = in_state("fault")
    rig.run(61_000)
    assert rig.core.next_due_ms(rig.t) > rig.t + 100_000_000


def test_survival_is_due_every_second_and_a_due_moment_is_never_now():
    rig = in_state("survival")
    due = rig.core.next_due_ms(rig.t)
    assert rig.t < due <= rig.t + 1_000
    rig = in_state("leased")
    rig.hold_lease = False
    rig.core.lease_ms = 0
    assert rig.core.next_due_ms(rig.t) == rig.t + 1


def test_manual_override_and_the_clearing_window_are_followed_tick_by_tick():
    rig = in_state("ready")
    rig.press(200)
    assert rig.core.next_due_ms(rig.t) == rig.t + c.SAFETY_TICK_MS
    rig = in_state("ready")
    rig.press(c.BUTTON_LONG_MS)
    assert rig.core.next_due_ms(rig.t) == rig.t + c.SAFETY_TICK_MS


def test_a_reset_brings_everything_off_and_a_new_start():
    store = MemoryStore()
    rig = Rig(store).leased()
    rig.pulse(c.OUT_LIGHT)
    again = Rig(store)
    assert (again.core.outputs, again.core.state, again.core.pulses.active) == (0, c.STATE_BOOT, 0)


def test_led_and_buzzer_tell_the_state():
    on_of_4_s = {"safe": 2_000, "ready": 200, "leased": 3_800, "survival": 2_000, "fault": 2_000}
    for name in on_of_4_s:
        rig = in_state(name)
        lit = beeps = 0
        if name == "safe":
            rig.core.settling_ms = -100_000
        for _ in range(80):
            if name == "leased":
                rig.lease()
            rig.step()
            lit += rig.core.led * 50
            beeps += rig.core.buzzer
        assert lit == on_of_4_s[name], (name, lit)
        assert beeps == 0
    assert in_state("boot").core.led == 0


def test_the_buzzer_sounds_for_loud_faults_only():
    for fault in range(len(c.FAULTS)):
        rig = in_state("ready")
        rig.core.faults.latch(fault, rig.t, 0)
        beeps = 0
        for _ in range(40):
            rig.step()
            beeps += rig.core.buzzer * 50
        assert beeps == (400 if c.FAULTS[fault][3] else 0)
