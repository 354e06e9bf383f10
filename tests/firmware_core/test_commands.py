"""What each command answers, well formed or not."""

from tomato import contract as c

from tests.firmware_core.rig import in_state


def test_a_command_that_comes_too_late_moves_nothing():
    rig = in_state("leased")
    for late_by, reason in ((1, c.R_EXPIRED), (0, c.R_NONE), (-1_000, c.R_NONE)):
        answer = rig.send(c.M_PULSE, cmd_id=1, output=c.OUT_CIRCULATION_FAN, amount=1_000, not_after_ms=rig.t - late_by)
        assert answer[c.F_REASON] == reason
        if reason:
            assert (answer[c.F_VALUE], answer[c.F_BOUND]) == (1, 0)
            assert not rig.on(c.OUT_CIRCULATION_FAN)
    assert rig.send(c.M_LEASE, not_after_ms=0)[c.F_VALUE] == rig.t
    assert rig.send(c.M_LEASE, not_after_ms=-(2**60))[c.F_VALUE] == 0x3FFFFFFF
    for bad in ("soon", 1.5, True, []):
        assert rig.send(c.M_LEASE, not_after_ms=bad)[c.F_REASON] == c.R_MALFORMED


def test_stopping_is_never_too_late():
    for bad in (0, -(2**60), "soon", 1.5, True, []):
        for kind in (c.M_STOP, c.M_STOP_ALL):
            rig = in_state("leased")
            rig.pulse(c.OUT_LIGHT)
            assert rig.send(kind, output=c.OUT_LIGHT, not_after_ms=bad)[c.F_STATUS] == c.STATUS_DONE
            assert rig.core.outputs == 0


def test_a_pulse_with_a_missing_or_strange_field_is_malformed():
    good = {"cmd_id": 1, "output": c.OUT_CIRCULATION_FAN, "amount": 1_000}
    rig = in_state("leased")
    for name in good:
        for bad in ("x", 1.0, None, [1], True):
            fields = dict(good)
            fields[name] = bad
            assert rig.send(c.M_PULSE, **fields)[c.F_REASON] == c.R_MALFORMED, (name, bad)
        fields = dict(good)
        del fields[name]
        assert rig.send(c.M_PULSE, **fields)[c.F_REASON] == c.R_MALFORMED, name
    assert rig.core.outputs == 0
    assert rig.send(c.M_PULSE, **good)[c.F_STATUS] == c.STATUS_ACCEPTED


def test_an_accepted_pulse_and_a_refused_one():
    rig = in_state("leased")
    assert rig.pulse(c.OUT_CIRCULATION_FAN) == c.R_NONE
    assert rig.answer == {c.F_STATUS: c.STATUS_ACCEPTED, c.F_REASON: c.R_NONE, c.F_DELIVERED: 0}
    assert rig.pulse(c.OUT_CIRCULATION_FAN, 0) == c.R_BAD_AMOUNT
    assert rig.answer == {
        c.F_STATUS: c.STATUS_REJECTED,
        c.F_REASON: c.R_BAD_AMOUNT,
        c.F_DELIVERED: 0,
        c.F_VALUE: 0,
        c.F_BOUND: 900_000,
    }


def test_a_pulse_works_at_once_not_at_the_next_tick():
    rig = in_state("leased")
    rig.pulse(c.OUT_CIRCULATION_FAN)
    assert rig.on(c.OUT_CIRCULATION_FAN)


def test_stop_of_one_leaves_the_others():
    rig = in_state("leased")
    rig.pulse(c.OUT_CIRCULATION_FAN)
    rig.pulse(c.OUT_LIGHT)
    assert rig.send(c.M_STOP, output=c.OUT_LIGHT)[c.F_STATUS] == c.STATUS_DONE
    assert rig.core.outputs == 1 << c.OUT_CIRCULATION_FAN


def test_stop_without_a_pulse_is_done_and_of_an_unknown_output_refused():
    rig = in_state("leased")
    assert rig.send(c.M_STOP, output=c.OUT_LIGHT)[c.F_STATUS] == c.STATUS_DONE
    for bad in (-1, 7, None, "light", 2**40, True):
        assert rig.send(c.M_STOP, output=bad)[c.F_REASON] == c.R_UNKNOWN_OUTPUT
    rig.step()
    assert rig.ended == []


def test_stop_all_works_in_every_state_and_ends_every_pulse():
    rig = in_state("leased")
    for output in (c.OUT_LIGHT, c.OUT_CIRCULATION_FAN, c.OUT_WATER_PUMP, c.OUT_CO2_SOLENOID):
        assert rig.pulse(output) == c.R_NONE
    assert rig.send(c.M_STOP_ALL)[c.F_STATUS] == c.STATUS_DONE
    assert rig.core.outputs == 0
    rig.step()
    assert {row[c.F_REASON] for row in rig.ended} == {c.R_STOPPED}
    assert len(rig.ended) == 4
    for name in ("boot", "safe", "ready", "survival", "fault"):
        assert in_state(name).send(c.M_STOP_ALL)[c.F_STATUS] == c.STATUS_DONE


def test_unknown_commands():
    rig = in_state("leased")
    for kind in (0, 99, None, "PULSE", c.M_HELLO, c.M_SAMPLE):
        answer = rig.send(kind)
        assert (answer[c.F_STATUS], answer[c.F_REASON]) == (c.STATUS_REJECTED, c.R_UNKNOWN_TYPE)


def test_an_empty_message():
    rig = in_state("leased")
    assert rig.core.command(rig.t, {})[c.F_REASON] == c.R_UNKNOWN_TYPE


def test_a_command_lets_time_pass_first():
    rig = in_state("leased")
    rig.pulse(c.OUT_CIRCULATION_FAN, 1_000)
    rig.t += 2_000
    rig.send(c.M_STOP_ALL)
    rig.step()
    assert rig.last() == (c.OUT_CIRCULATION_FAN, c.STATUS_DONE, c.R_NONE, 1_000)


def test_a_refusal_does_not_carry_the_last_one_s_value():
    rig = in_state("leased")
    rig.pulse(c.OUT_LIGHT, 10**6)
    answer = rig.send(c.M_CLEAR_FAULT, fault=c.FAULT_LEAK)
    assert (answer[c.F_REASON], answer[c.F_VALUE], answer[c.F_BOUND]) == (c.R_NOT_LATCHED, 0, 0)


def test_the_health_is_complete():
    rig = in_state("leased")
    rig.pulse(c.OUT_CIRCULATION_FAN)
    rig.run(1_000)
    rig.core.tick_worst_us = 2**40
    health = rig.core.health(rig.t)
    assert health[c.F_T_MS] == rig.t
    assert health[c.F_STATE] == c.STATE_LEASED
    assert health[c.F_OUTPUTS] == 1 << c.OUT_CIRCULATION_FAN
    assert health[c.F_LEASE_MS] == 4_950
    assert health[c.F_TICK_WORST_US] == 0x3FFFFFFF
    assert health[c.F_HOUR_USED] == [0, 1, 0, 0, 0, 0, 0]
    assert health[c.F_DAY_USED] == [0, 1, 0, 0, 0, 0, 0]
    assert health[c.F_WRITES_TODAY] == 1
    rig.core.saver.writes = 10**6
    assert rig.core.health(rig.t)[c.F_WRITES_TODAY] == 65_535


def test_asking_from_inside_is_judged_by_the_same_rules():
    rig = in_state("leased")
    assert rig.core.ask(c.OUT_LIGHT, 10**7) == c.R_BAD_AMOUNT
    assert rig.core.ask(c.OUT_WATER_PUMP, 100) == c.R_NONE
    assert rig.events(c.EV_SURVIVAL) == [(c.OUT_WATER_PUMP, 100)]
    assert rig.core.ask(c.OUT_LIGHT, 1_000) == c.R_NONE
    assert rig.events(c.EV_SURVIVAL) == [(c.OUT_WATER_PUMP, 100)]
    rig.core.button.manual_ms = 5
    assert rig.core.ask(c.OUT_CIRCULATION_FAN, 1_000) == c.R_OVERRIDE


def test_in_the_emergency_the_reason_is_the_emergency():
    rig = in_state("safe")
    assert rig.pulse(c.OUT_LIGHT) == c.R_STATE
    assert rig.answer[c.F_VALUE] == c.STATE_SAFE
    rig.core.inputs.estop = 1
    assert rig.pulse(c.OUT_LIGHT) == c.R_ESTOP
