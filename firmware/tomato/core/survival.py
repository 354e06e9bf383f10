"""The programme that keeps a plant alive without a host: light by elapsed time, water by moisture, air by heat."""

from tomato import contract as c

PACE_MS = 1_000
LIGHT_PULSE_MS = 600_000
FAN_PULSE_MS = 120_000
RENEW_BELOW_MS = 20_000
# The first light after this much dark counts as the plant's dawn: the programme carries the host's day on.
NIGHT_MS = 7_200_000
# Without a temperature the exhaust runs ten minutes of every hour.
BLIND_EXHAUST_MS = 600_000
HOUR_MS = 3_600_000
PROBES = (c.S_SOIL_P1_PCT, c.S_SOIL_P2_PCT)
PCT_SCALE = c.SENSORS[c.S_SOIL_P1_PCT][1]
BAND_LOW = c.SOIL_BAND_LOW_PCT * PCT_SCALE
BAND_HIGH = c.SOIL_BAND_HIGH_PCT * PCT_SCALE


class Survival:
    """Follows the light's day in every state; in SURVIVAL asks the board for pulses like any other asker.

    `board` offers `ask(output, amount) -> reason` and `left_ms(output)`; the interlocks stay the only judge.
    """

    def __init__(self, board, inputs, config, used):
        self.board = board
        self.inputs = inputs
        self.config = config
        self.used = used
        self.cycle_ms = 0
        self.dark_ms = 0
        self.pace_ms = 0
        self.venting = False

    def follow(self, light_on, dt_ms):
        """Keep the position in the light's day; `light_on` is what the lamp did during the last `dt_ms`."""
        if light_on:
            if self.dark_ms >= NIGHT_MS:
                self.cycle_ms = 0
            self.dark_ms = 0
        else:
            self.dark_ms = min(NIGHT_MS, self.dark_ms + min(dt_ms, NIGHT_MS))
        self.cycle_ms = (self.cycle_ms + dt_ms) % self._day_ms()

    def _day_ms(self):
        seconds = self.config.values[c.CFG_SURVIVAL_LIGHT_ON_S] + self.config.values[c.CFG_SURVIVAL_LIGHT_OFF_S]
        return seconds * 1000

    def step(self, dt_ms, now_ms):
        """Once a second, ask for what the plant needs now."""
        self.pace_ms += dt_ms
        if self.pace_ms < PACE_MS:
            return
        self.pace_ms = 0
        self._light()
        self._air(now_ms)
        self._water(now_ms)

    def _light(self):
        left = self.config.values[c.CFG_SURVIVAL_LIGHT_ON_S] * 1000 - self.cycle_ms
        if left > 0:
            self._keep(c.OUT_LIGHT, min(LIGHT_PULSE_MS, left))

    def _air(self, now_ms):
        self._keep(c.OUT_CIRCULATION_FAN, FAN_PULSE_MS)
        if self._wants_exhaust(now_ms):
            self._keep(c.OUT_EXHAUST_FAN, FAN_PULSE_MS)

    def _wants_exhaust(self, now_ms):
        if not self.inputs.fresh(c.S_AIR_TEMP_C, now_ms, c.SENSOR_MAX_AGE_MS):
            return self.cycle_ms % HOUR_MS < BLIND_EXHAUST_MS
        temp = self.inputs.value[c.S_AIR_TEMP_C]
        if temp >= self.config.values[c.CFG_SURVIVAL_VENT_ON_C]:
            self.venting = True
        elif temp < self.config.values[c.CFG_SURVIVAL_VENT_OFF_C]:
            self.venting = False
        return self.venting

    def _keep(self, output, amount):
        """Ask in good time before a running pulse ends, and only when it makes the pulse longer."""
        left = self.board.left_ms(output)
        if left < RENEW_BELOW_MS and left < amount:
            self.board.ask(output, amount)

    def _water(self, now_ms):
        dose = self.config.values[c.CFG_SURVIVAL_DOSE_ML]
        cap = dose * self.config.values[c.CFG_SURVIVAL_DOSES_PER_DAY]
        used = self.used.day.total[c.OUT_WATER_PUMP]
        if dose == 0 or not self._thirsty(now_ms) or used + dose * 1000 > cap * 1000:
            return
        if self.board.off_ms(c.OUT_WATER_PUMP) >= self.config.values[c.CFG_SURVIVAL_PAUSE_S] * 1000:
            self.board.ask(c.OUT_WATER_PUMP, dose)

    def _thirsty(self, now_ms):
        """True when a probe that counts reads below the hard low. Without one nothing is watered.

        A probe outside the band in which a pot can be is broken, out of the pot or in a puddle: it does not count, and
        it does not stop the other one. Two that disagree inside the band are two zones, and the dry one is watered.
        """
        low = self.config.values[c.CFG_SURVIVAL_SOIL_LOW_PCT]
        for probe in PROBES:
            value = self.inputs.value[probe]
            if self.inputs.fresh(probe, now_ms, c.SENSOR_MAX_AGE_MS) and BAND_LOW <= value <= BAND_HIGH and value < low:
                return True
        return False
