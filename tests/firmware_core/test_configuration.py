"""CONFIG: one entry at a time, in range, kept with a CRC, never in the way of a running dose."""

import binascii
import struct

from tomato import contract as c
from tomato.core import configuration, slots

from tests.firmware_core.rig import MemoryStore, Rig, config_record, in_state

N_ITEMS = len(c.CONFIG)


def put(rig, key, value):
    answer = rig.send(c.M_CONFIG, cmd_id=1, config_key=key, config_value=value)
    return answer[c.F_REASON]


def test_without_a_record_the_defaults_are_in_force_and_it_is_said():
    rig = Rig()
    assert rig.fault(c.FAULT_CONFIG_LOST)
    assert rig.core.config == [row[3] for row in c.CONFIG]


def test_the_board_s_own_defaults_come_before_the_contract_s():
    rig = Rig(config={"defaults": {c.CFG_PUMP_UL_PER_S: 8_000}})
    assert rig.core.config[c.CFG_PUMP_UL_PER_S] == 8_000


def test_every_entry_takes_its_bounds_and_nothing_beyond():
    for key, row in enumerate(c.CONFIG):
        lowest, highest = row[1], row[2]
        if key == c.CFG_PUMP_UL_PER_S:
            lowest, highest = 16_000, 40_000
        if key == c.CFG_FLOW_PULSES_PER_L:
            lowest, highest = 225, 900
        rig = in_state("leased")
        rig.core.button.window_ms = 10**6
        assert put(rig, key, lowest - 1) == c.R_BAD_VALUE, row
        rig.send(c.M_CONFIG, config_key=key, config_value=lowest - 1)
        assert put(rig, key, highest + 1) == c.R_BAD_VALUE, row
        assert rig.core.config[key] == row[3]
        if key in (c.CFG_SOIL_P1_DRY_RAW, c.CFG_SOIL_P2_DRY_RAW):
            rig.core.config[key + 1] = 0  # its partner bounds it, see the tests of the points below
        if key in (c.CFG_SOIL_P1_WET_RAW, c.CFG_SOIL_P2_WET_RAW):
            rig.core.config[key - 1] = 0
        assert put(rig, key, lowest) == c.R_NONE
        assert rig.core.config[key] == lowest
        assert put(rig, key, highest) == c.R_NONE
        assert rig.core.config[key] == highest


def test_a_refusal_names_the_entry_and_the_bound():
    rig = in_state("leased")
    answer = rig.send(c.M_CONFIG, config_key=c.CFG_PUMP_UL_PER_S, config_value=15_999)
    assert (answer[c.F_VALUE], answer[c.F_BOUND]) == (c.CFG_PUMP_UL_PER_S, 16_000)
    answer = rig.send(c.M_CONFIG, config_key=c.CFG_PUMP_UL_PER_S, config_value=40_001)
    assert (answer[c.F_VALUE], answer[c.F_BOUND]) == (c.CFG_PUMP_UL_PER_S, 40_000)


def test_the_nameplate_bounds_the_pump_within_the_contract_s_own_range():
    rig = Rig(config={"defaults": {c.CFG_PUMP_UL_PER_S: 1_200}}).leased()
    assert put(rig, c.CFG_PUMP_UL_PER_S, 999) == c.R_BAD_VALUE
    assert put(rig, c.CFG_PUMP_UL_PER_S, 1_000) == c.R_NONE
    rig = Rig(config={"defaults": {c.CFG_PUMP_UL_PER_S: 1_252}}).leased()
    assert put(rig, c.CFG_PUMP_UL_PER_S, 1_001) == c.R_BAD_VALUE
    assert put(rig, c.CFG_PUMP_UL_PER_S, 1_002) == c.R_NONE
    rig = Rig(config={"defaults": {c.CFG_PUMP_UL_PER_S: 150_000}}).leased()
    assert put(rig, c.CFG_PUMP_UL_PER_S, 200_001) == c.R_BAD_VALUE
    assert put(rig, c.CFG_PUMP_UL_PER_S, 200_000) == c.R_NONE


def test_bad_keys_and_values():
    rig = in_state("leased")
    for key in (-1, len(c.CONFIG), None, "x", 2**40, 1.0):
        assert put(rig, key, 1) == c.R_BAD_KEY, key
        assert rig.core.configuration.allowed(key, 1) == c.R_BAD_KEY
    for value in ("x", 1.5, [], True):
        assert put(rig, c.CFG_FLOW_PULSES_PER_L, value) == c.R_MALFORMED, value


def test_reading_changes_nothing():
    rig = in_state("leased")
    answer = rig.send(c.M_CONFIG, config_key=c.CFG_FLOW_PULSES_PER_L)
    assert answer[c.F_STATUS] == c.STATUS_DONE
    assert (answer[c.F_CONFIG_KEY], answer[c.F_CONFIG_VALUE]) == (c.CFG_FLOW_PULSES_PER_L, 450)
    assert not rig.core.configuration.dirty
    assert rig.events(c.EV_CONFIG) == []


def test_a_new_value_is_told_written_and_back_after_a_reset():
    store = MemoryStore()
    rig = Rig(store).leased()
    crc = rig.core.config_crc
    assert put(rig, c.CFG_FLOW_PULSES_PER_L, 500) == c.R_NONE
    assert rig.events(c.EV_CONFIG) == [(c.CFG_FLOW_PULSES_PER_L, 500)]
    assert rig.core.config_crc != crc
    assert rig.core.configuration.dirty
    assert rig.send(c.M_CLEAR_FAULT, fault=c.FAULT_CONFIG_LOST)[c.F_REASON] == c.R_NONE
    rig.run(61_000, 1_000)
    assert not rig.core.configuration.dirty
    assert "config.a" in store.records
    again = Rig(store)
    assert again.core.config[c.CFG_FLOW_PULSES_PER_L] == 500
    assert again.core.config_crc == rig.core.config_crc
    assert not again.fault(c.FAULT_CONFIG_LOST)
    assert again.core.configuration.generation == 1


def test_equal_settings_have_equal_crcs_whatever_their_history():
    rig = in_state("leased")
    crc = rig.core.config_crc
    put(rig, c.CFG_FLOW_PULSES_PER_L, 500)
    put(rig, c.CFG_FLOW_PULSES_PER_L, 450)
    assert rig.core.config_crc == crc


def test_the_same_value_again_costs_no_write():
    rig = in_state("leased")
    put(rig, c.CFG_FLOW_PULSES_PER_L, 500)
    rig.run(61_000, 1_000)
    put(rig, c.CFG_FLOW_PULSES_PER_L, 500)
    assert not rig.core.configuration.dirty


def test_the_first_value_is_written_even_when_it_is_the_default():
    rig = in_state("leased")
    put(rig, c.CFG_FLOW_PULSES_PER_L, 450)
    assert rig.core.configuration.dirty


def test_a_running_dose_keeps_its_calibration():
    rig = in_state("leased")
    rig.pulse(c.OUT_WATER_PUMP)
    for key in (c.CFG_PUMP_UL_PER_S, c.CFG_FLOW_PULSES_PER_L):
        answer = rig.send(c.M_CONFIG, config_key=key, config_value=17_000)
        assert (answer[c.F_REASON], answer[c.F_VALUE]) == (c.R_OUTPUT_ON, c.OUT_WATER_PUMP)
    assert put(rig, c.CFG_SURVIVAL_DOSE_ML, 50) == c.R_NONE
    rig.send(c.M_STOP_ALL)
    assert put(rig, c.CFG_PUMP_UL_PER_S, 17_000) == c.R_NONE


def test_a_failed_write_stays_due():
    rig = in_state("leased")
    put(rig, c.CFG_FLOW_PULSES_PER_L, 500)
    rig.store.fail = True
    rig.run(61_000, 1_000)
    assert rig.core.configuration.dirty
    assert rig.core.saver.failures >= 1
    rig.store.fail = False
    rig.run(61_000, 1_000)
    assert not rig.core.configuration.dirty


def test_a_failed_configuration_write_is_counted_even_when_the_counters_went_well():
    rig = in_state("leased")
    put(rig, c.CFG_FLOW_PULSES_PER_L, 500)
    rig.core.configuration.slots.store = MemoryStore(provisioned=False)
    rig.core.configuration.slots.store.fail = True
    rig.run(61_000, 1_000)
    assert rig.core.saver.failures == len(rig.events(c.EV_SAVE_FAILED)) > 0
    assert slots.generation(rig.store.records["counters.a"]) >= 2


def seal(body):
    return body + struct.pack("<I", binascii.crc32(body))


def test_a_record_is_sound_only_when_whole_and_of_this_version():
    rig = in_state("leased")
    put(rig, c.CFG_FLOW_PULSES_PER_L, 500)
    rig.run(61_000, 1_000)
    record = rig.store.records["config.a"]
    assert configuration.sound(record)
    assert not configuration.sound(None)
    assert not configuration.sound(record[:-1])
    for at in range(len(record)):
        bad = bytearray(record)
        bad[at] ^= 1
        assert not configuration.sound(bytes(bad)), at
    for at in range(4):
        body = bytearray(record[:-4])
        body[at] += 1
        assert not configuration.sound(seal(bytes(body))), at


def test_a_stored_value_out_of_range_gives_way_to_the_default():
    rig = in_state("leased")
    put(rig, c.CFG_FLOW_PULSES_PER_L, 500)
    rig.run(61_000, 1_000)
    body = bytearray(rig.store.records["config.a"][:-4])
    at = 8 + 4 * c.CFG_SURVIVAL_DOSE_ML
    body[at : at + 4] = struct.pack("<i", 251)
    rig.store.records["config.a"] = seal(bytes(body))
    again = Rig(rig.store)
    assert again.core.config[c.CFG_SURVIVAL_DOSE_ML] == 100
    assert again.core.config[c.CFG_FLOW_PULSES_PER_L] == 500


def told(rig):
    """(key, stored value) of every entry that the board says it dropped."""
    return rig.events(c.EV_CONFIG_DROPPED)


def with_record(*pairs, items=N_ITEMS, config=None):
    store = MemoryStore()
    store.records["config.a"] = config_record(*pairs, items=items)
    return Rig(store, config)


def test_a_stored_value_that_the_bounds_refuse_is_told_shown_and_written_anew():
    rig = with_record(c.CFG_SURVIVAL_DOSE_ML, 251, c.CFG_PUMP_UL_PER_S, 10_000, c.CFG_FLOW_PULSES_PER_L, 500)
    assert told(rig) == [(c.CFG_PUMP_UL_PER_S, 10_000), (c.CFG_SURVIVAL_DOSE_ML, 251)]
    assert rig.core.config[c.CFG_PUMP_UL_PER_S] == 20_000
    assert rig.core.config[c.CFG_FLOW_PULSES_PER_L] == 500, "the others are kept"
    assert rig.core.health(rig.t)[c.F_FAULTS] == 1 << c.FAULT_CONFIG_BOUNDS
    assert rig.core.faults.cause[c.FAULT_CONFIG_BOUNDS] == c.CFG_PUMP_UL_PER_S
    rig.run(70_000, 1_000)
    again = Rig(rig.store)
    assert told(again) == [], "told once"
    assert again.fault(c.FAULT_CONFIG_BOUNDS), "shown until somebody has seen it"
    again.leased()
    assert again.send(c.M_CLEAR_FAULT, fault=c.FAULT_CONFIG_BOUNDS)[c.F_REASON] == c.R_NONE


def test_a_whole_record_within_its_bounds_is_no_news():
    rig = with_record(c.CFG_FLOW_PULSES_PER_L, 500)
    assert told(rig) == [] and not rig.fault(c.FAULT_CONFIG_BOUNDS) and not rig.core.configuration.dirty
    assert rig.core.configuration.generation == 3


def test_a_record_of_before_gives_both_probes_the_water_contents_they_shared():
    rig = with_record(c.CFG_SOIL_P1_DRY_PCT, 500, c.CFG_SOIL_P1_WET_PCT, 4_800, c.CFG_SOIL_P2_WET_RAW, 23_000, items=18)
    config = rig.core.config
    assert [config[key] for key in (16, 17, 18, 19)] == [500, 4_800, 500, 4_800]
    assert config[c.CFG_SOIL_P2_WET_RAW] == 23_000
    assert not rig.fault(c.FAULT_CONFIG_LOST) and told(rig) == []
    rig.leased()
    put(rig, c.CFG_SOIL_P2_WET_PCT, 5_500)
    rig.run(61_000, 1_000)
    again = Rig(rig.store)
    assert [again.core.config[key] for key in (16, 17, 18, 19)] == [500, 4_800, 500, 5_500]
    assert again.core.configuration.generation == 4


def test_a_record_with_another_number_of_entries_is_none():
    for items in (17, 19):
        assert with_record(items=items).fault(c.FAULT_CONFIG_LOST)
    cut = config_record(items=18)
    assert not configuration.sound(cut[:-4])
    assert not configuration.sound(cut[:11])
    assert configuration.sound(cut)


POINTS = ((c.CFG_SOIL_P1_DRY_RAW, c.CFG_SOIL_P1_WET_RAW), (c.CFG_SOIL_P2_DRY_RAW, c.CFG_SOIL_P2_WET_RAW))


def test_dry_and_wet_swapped_are_refused_with_the_bound():
    for dry, wet in POINTS:
        rig = in_state("leased")
        answer = rig.send(c.M_CONFIG, config_key=dry, config_value=23_999)
        assert (answer[c.F_REASON], answer[c.F_VALUE], answer[c.F_BOUND]) == (c.R_BAD_VALUE, dry, 24_000)
        answer = rig.send(c.M_CONFIG, config_key=wet, config_value=50_001)
        assert (answer[c.F_REASON], answer[c.F_VALUE], answer[c.F_BOUND]) == (c.R_BAD_VALUE, wet, 50_000)
        assert (rig.core.config[dry], rig.core.config[wet]) == (52_000, 22_000)
        assert put(rig, dry, 24_000) == c.R_NONE
        assert put(rig, wet, 22_000) == c.R_NONE
        other = POINTS[1] if dry == c.CFG_SOIL_P1_DRY_RAW else POINTS[0]
        assert (rig.core.config[other[0]], rig.core.config[other[1]]) == (52_000, 22_000)


def test_any_two_points_can_be_set_by_taking_one_away_first():
    rig = in_state("leased")
    for dry, wet in POINTS:
        assert [put(rig, wet, 0), put(rig, dry, 15_000), put(rig, wet, 5_000)] == [c.R_NONE] * 3
        assert [put(rig, dry, 0), put(rig, wet, 40_000), put(rig, dry, 60_000)] == [c.R_NONE] * 3


def test_stored_points_that_contradict_the_probe_leave_it_without_points():
    rig = with_record(c.CFG_SOIL_P1_DRY_RAW, 23_000, c.CFG_SOIL_P1_WET_RAW, 51_000)
    assert told(rig) == [(c.CFG_SOIL_P1_DRY_RAW, 23_000), (c.CFG_SOIL_P1_WET_RAW, 51_000)]
    config = rig.core.config
    assert (config[c.CFG_SOIL_P1_DRY_RAW], config[c.CFG_SOIL_P1_WET_RAW]) == (0, 0)
    assert (config[c.CFG_SOIL_P2_DRY_RAW], config[c.CFG_SOIL_P2_WET_RAW]) == (52_000, 22_000)
    assert rig.fault(c.FAULT_CONFIG_BOUNDS)


def test_one_point_out_of_bounds_takes_the_other_with_it():
    rig = with_record(c.CFG_SOIL_P2_DRY_RAW, 65_000, c.CFG_SOIL_P2_WET_RAW, 24_000)
    assert told(rig) == [(c.CFG_SOIL_P2_DRY_RAW, 65_000), (c.CFG_SOIL_P2_WET_RAW, 24_000)]
    assert (rig.core.config[c.CFG_SOIL_P2_DRY_RAW], rig.core.config[c.CFG_SOIL_P2_WET_RAW]) == (0, 0)
    rig = with_record(c.CFG_SOIL_P2_DRY_RAW, 50_000, c.CFG_SOIL_P2_WET_RAW, 65_000)
    assert told(rig) == [(c.CFG_SOIL_P2_WET_RAW, 65_000), (c.CFG_SOIL_P2_DRY_RAW, 50_000)]


def test_a_torn_configuration_falls_back_to_the_other_slot():
    store = MemoryStore()
    rig = Rig(store).leased()
    for value in (500, 600):
        put(rig, c.CFG_FLOW_PULSES_PER_L, value)
        rig.run(61_000, 1_000)
    store.records["config.b"] = store.records["config.b"][:10]
    assert Rig(store).core.config[c.CFG_FLOW_PULSES_PER_L] == 500
