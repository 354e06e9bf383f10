"""Every output x state x fault: allowed or refused, against a table written by hand from devices.py and the issue."""

from tomato import contract as c

from tests.firmware_core.rig import DOSE, STATES, in_state

LIGHT, CIRCULATION, EXHAUST, HUMIDIFIER, HEATER, PUMP, CO2 = range(7)
EVERYTHING = (LIGHT, CIRCULATION, EXHAUST, HUMIDIFIER, HEATER, PUMP, CO2)

# Fault -> the outputs it blocks while it is latched, though its cause is gone. A fault in HALTS stops the whole board.
BLOCKED = {
    "leak": (HUMIDIFIER, HEATER, PUMP),
    "over_temp": (LIGHT, HEATER),
    "estop": EVERYTHING,
    "no_flow": (PUMP,),
    "stuck_valve": (PUMP,),
    "co2_high": (CO2,),
    "soil_hot": (HEATER,),
    "counters_lost": (),
    "config_lost": (),
    "config_bounds": (),
    "watchdog_reset": (),
    "overrun": EVERYTHING,
    "restarts": (),
}
HALTS = ("estop", "overrun")
ALARMS = ("leak", "over_temp", "stuck_valve", "co2_high", "soil_hot", "overrun")
BUTTON = ("leak", "over_temp", "estop", "stuck_valve", "overrun")

# Condition -> (reading that breaks it, reason by output that needs it). None: the sensor is silent.
BROKEN = {
    "over temperature": ((c.S_AIR_TEMP_C, 3_800), {LIGHT: c.R_OVER_TEMP, HEATER: c.R_OVER_TEMP}),
    "leak": ((c.S_LEAK, 1), {HUMIDIFIER: c.R_LEAK, HEATER: c.R_LEAK, PUMP: c.R_LEAK}),
    "leak silent": ((c.S_LEAK, None), {HUMIDIFIER: c.R_LEAK_STALE, HEATER: c.R_LEAK_STALE, PUMP: c.R_LEAK_STALE}),
    "reservoir low": ((c.S_RESERVOIR_OK, 0), {PUMP: c.R_RESERVOIR_EMPTY}),
    "reservoir silent": ((c.S_RESERVOIR_OK, None), {PUMP: c.R_RESERVOIR_STALE}),
    "humid": ((c.S_RH_PCT, 9_200), {HUMIDIFIER: c.R_RH_HIGH}),
    "humidity silent": ((c.S_RH_PCT, None), {HUMIDIFIER: c.R_RH_STALE}),
    "soil warm": ((c.S_SOIL_TEMP_C, 2_800), {HEATER: c.R_SOIL_TEMP_HIGH}),
    "soil temperature silent": ((c.S_SOIL_TEMP_C, None), {HEATER: c.R_SOIL_TEMP_STALE}),
    "co2 high": ((c.S_CO2_PPM, 1_500), {CO2: c.R_CO2_HIGH}),
    "co2 silent": ((c.S_CO2_PPM, None), {CO2: c.R_CO2_STALE}),
    "air temperature silent": ((c.S_AIR_TEMP_C, None), {}),
    "leaf silent": ((c.S_LEAF_TEMP_C, None), {}),
    "door open": ((c.S_DOOR_OPEN, 1), {}),
    "probes silent": ((c.S_SOIL_P1_PCT, None), {}),
}


def expected(output, state, fault):
    """What the issue says about a host's request, in words of this test alone."""
    if state in ("boot", "safe", "fault") or fault in HALTS:
        return c.R_STATE
    if state in ("ready", "survival"):
        return c.R_NO_LEASE
    if fault is not None and output in BLOCKED[fault]:
        return c.R_FAULT_LATCHED
    return c.R_NONE


def test_the_hand_written_table_names_every_fault():
    assert sorted(BLOCKED) == sorted(row[0] for row in c.FAULTS)
    for wire_id, row in enumerate(c.FAULTS):
        name, button, blocked, alarm = row
        assert blocked == sum(1 << o for o in BLOCKED[name]), name
        assert bool(button) == (name in BUTTON), name
        assert bool(alarm) == (name in ALARMS), name
        assert getattr(c, "FAULT_" + name.upper()) == wire_id


def test_every_output_in_every_state_under_every_latched_fault():
    checked = 0
    for state in STATES:
        for fault in [None] + list(BLOCKED):  # noqa: RUF005 - MicroPython has no unpacking in a list
            for output in EVERYTHING:
                rig = in_state(state)
                if fault is not None:
                    rig.core.faults.latch(getattr(c, "FAULT_" + fault.upper()), rig.t, 1)
                    if state != "boot":
                        rig.core.change_state(0)
                got = rig.pulse(output)
                want = expected(output, state, fault)
                assert got == want, (state, fault, output, got, want)
                assert rig.on(output) == (
                    want == c.R_NONE or (state == "survival" and output == CIRCULATION and fault not in HALTS)
                ), (state, fault, output)
                checked += 1
    assert checked == 7 * 6 * 14


def test_every_output_refuses_by_exactly_the_conditions_it_needs():
    for name in BROKEN:
        (sensor, value), refused = BROKEN[name]
        for output in EVERYTHING:
            rig = in_state("leased")
            rig.readings[sensor] = value
            rig.step()
            rig.lease()
            forced_partner = name == "over temperature" and output == CO2
            want = c.R_GROUP_EXCLUDED if forced_partner else refused.get(output, c.R_NONE)
            assert rig.pulse(output) == want, (name, output)


def test_every_running_output_ends_by_exactly_the_conditions_it_needs():
    for name in BROKEN:
        (sensor, value), refused = BROKEN[name]
        for output in EVERYTHING:
            rig = in_state("leased")
            assert rig.pulse(output) == c.R_NONE
            rig.run(1_000)
            assert rig.on(output)
            rig.readings[sensor] = value
            rig.step()
            if name == "reservoir low":
                rig.run(c.FLOAT_OPEN_MS)
            forced_partner = name == "over temperature" and output == CO2
            want = c.R_GROUP_EXCLUDED if forced_partner else refused.get(output)
            if want is None:
                assert rig.running(output), (name, output)
                continue
            assert not rig.on(output), (name, output)
            assert rig.last()[:3] == (output, c.STATUS_ABORTED, want), (name, output)


def test_every_output_ends_when_a_fault_that_blocks_it_latches():
    for fault in BLOCKED:
        for output in EVERYTHING:
            rig = in_state("leased")
            rig.pulse(output)
            rig.step()
            rig.core.faults.latch(getattr(c, "FAULT_" + fault.upper()), rig.t, 1)
            rig.step()
            assert rig.running(output) == (output not in BLOCKED[fault]), (fault, output)
            if output in BLOCKED[fault]:
                assert not rig.on(output)
                assert rig.last()[2] == c.R_FAULT_LATCHED


def test_emergency_stop_ends_everything_at_the_next_tick_and_says_so():
    for output in EVERYTHING:
        rig = in_state("leased")
        rig.pulse(output)
        rig.step()
        rig.core.inputs.estop = 1
        rig.step()
        assert rig.core.outputs == 0
        assert rig.last()[:3] == (output, c.STATUS_ABORTED, c.R_ESTOP)
        assert rig.pulse(output) == c.R_ESTOP
        rig.run(c.ESTOP_LATCH_MS)
        assert rig.core.state == c.STATE_FAULT
        assert rig.pulse(output) == c.R_ESTOP


def test_lease_loss_drops_what_the_table_says_and_lets_the_pump_finish():
    finishes = (PUMP,)
    for output in EVERYTHING:
        rig = in_state("leased")
        rig.hold_lease = False
        rig.run(1_000)
        assert rig.pulse(output, {PUMP: 150}.get(output, DOSE[output])) == c.R_NONE
        rig.run(4_050)
        assert rig.core.state == c.STATE_READY
        if output in finishes:
            assert rig.on(output)
            rig.run(30_000)
            assert rig.last()[:3] == (output, c.STATUS_DONE, c.R_NONE)
        else:
            assert not rig.on(output)
            assert rig.last()[:3] == (output, c.STATUS_ABORTED, c.R_LEASE_LOST)
