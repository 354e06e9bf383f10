"""The season on one page to print: yield, water and energy, weeks, harvests, tasks and measurements.

What is not known is said to be unknown: without a harvest no yield per litre, without a device that ran no yield
per kWh, and each device says whether its power was measured or is a typical one.
The texts are keys of the dashboard's catalogues (`web/messages/`), so that whoever translates those has this page, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any

from shared_schemas.devices import OUTPUTS
from tomato_host.service.history import History
from tomato_host.storage.journal_entries import JournalTotals, totals

Json = dict[str, Any]
Translate = Callable[[str], str]

WEB = Path(__file__).parent / "web"
MESSAGES = WEB / "messages"
LANGUAGES = ("en", *sorted(path.stem for path in MESSAGES.glob("*.json")))
TEXTS = (
    "{n} fruits", "Season report", "Made on", "Days recorded", "Day of the plant", "Harvest", "Fruit", "Water",
    "Energy", "Light", "Yield per litre", "Yield per kWh", "unknown", "no harvest was written down",
    "no water was recorded",
    "no device ran", "by the pump", "fed by hand", "Week", "Harvests", "Tasks", "Measurements", "Day", "Weight",
    "Plant", "Words", "EC", "pH", "Feed", "Water by week, l", "Energy by week, kWh", "Harvest by week, g",
    "Energy is the time on times the power of each device, in watts: ", "measured", "typical", "None written down.",
    "note", "task", "harvest", "measurement", "sown", "planted", "pruned", "pollinated", "fed", "treated", "repotted",
    "cleaned", "solution", "drain", "substrate", "Print", "mean light integral, mol/m² a day",
)  # fmt: skip
"""Every text of the page, for the test of the catalogues."""

_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<style>{style}</style></head><body><main>
<div class="head"><div><h1>{title}</h1><p class="dim">{span}</p></div>{button}</div>
<dl class="figures">{figures}</dl><p class="dim">{energy_note}</p>
<div class="bars">{bars}</div>
{tables}
</main>{script}</body></html>
"""


@dataclass(slots=True)
class SeasonWeek:
    """Totals of one calendar week; `begins` is its Monday."""

    begins: date
    water_l: float = 0.0
    energy_kwh: float = 0.0
    light_h: float = 0.0
    harvest_g: float = 0.0
    feed_l: float = 0.0
    dli: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SeasonFigures:
    """What the page shows; None: unknown."""

    first: date | None
    last: date | None
    pumped_l: float
    fed_l: float
    energy_kwh: float
    light_h: float
    mean_dli: float | None
    weeks: tuple[SeasonWeek, ...]
    journal: JournalTotals

    @property
    def water_l(self) -> float:
        """By the pump and by hand."""
        return self.pumped_l + self.fed_l

    @property
    def g_per_l(self) -> float | None:
        """Yield per litre of water; None without a harvest, or without water."""
        return self.journal.harvest_g / self.water_l if self.journal.harvests and self.water_l > 0.0 else None

    @property
    def g_per_kwh(self) -> float | None:
        """Yield per kWh; None without a harvest, or without energy."""
        return self.journal.harvest_g / self.energy_kwh if self.journal.harvests and self.energy_kwh > 0.0 else None


def season_figures(days: list[Json], entries: list[Json], today: date) -> SeasonFigures:
    """The figures of all recorded days (rows of `day_totals.py`) and all entries of the journal."""
    weeks: dict[date, SeasonWeek] = {}

    def week_of(day: date) -> SeasonWeek:
        monday = day - timedelta(days=day.weekday())
        return weeks.setdefault(monday, SeasonWeek(monday))

    for one in days:
        week = week_of(date.fromisoformat(one["day"]))
        week.water_l += one["water_ml"] / 1_000.0
        week.energy_kwh += one["energy_kwh"]
        week.light_h += one["light_h"]
        if one["dli_mol_m2"] is not None:
            week.dli.append(one["dli_mol_m2"])
    for entry in entries:
        week = week_of(datetime.fromisoformat(entry["ts"]).date())
        week.harvest_g += entry.get("harvest_g") or 0.0
        week.feed_l += (entry.get("feed_ml") or 0.0) / 1_000.0
    found = totals(entries, today)
    light = [value for week in weeks.values() for value in week.dli]
    named = sorted(one["day"] for one in days)
    return SeasonFigures(
        date.fromisoformat(named[0]) if named else None,
        date.fromisoformat(named[-1]) if named else None,
        sum(one["water_ml"] for one in days) / 1_000.0,
        found.feed_ml / 1_000.0,
        sum(one["energy_kwh"] for one in days),
        sum(one["light_h"] for one in days),
        sum(light) / len(light) if light else None,
        tuple(week for _, week in sorted(weeks.items())),
        found,
    )


def report_page(
    history: History, entries: list[Json], now: datetime, language: str = "en", *, served: bool = True
) -> str:
    """The page as HTML. `now` (aware, in the zone of the plants) is the moment it is made for.

    `served`: with the button to print, whose script comes from the dashboard; a file does without.
    """
    t = translator(language)
    figures = season_figures(history.days(), entries, now.date())
    return _PAGE.format(
        language=language,
        title=escape(t("Season report")),
        style=(WEB / "report.css").read_text(encoding="utf-8"),
        span=_span(figures, now, t),
        button=f'<button type="button" id="print">{escape(t("Print"))}</button>' if served else "",
        figures=_headline(figures, t),
        energy_note=escape(_energy_note(history.power_w, t)),
        bars=_charts(figures, t),
        tables=_tables(entries, t),
        script='<script src="/static/report.js" defer></script>' if served else "",
    )


def translator(language: str) -> Translate:
    """The function that translates a text of TEXTS; English is the key itself."""
    if language == "en":
        return lambda text: text
    texts: Json = json.loads((MESSAGES / f"{language}.json").read_text(encoding="utf-8"))["texts"]
    return lambda text: str(texts.get(text, text))


def _span(figures: SeasonFigures, now: datetime, t: Translate) -> str:
    days = 0 if figures.first is None or figures.last is None else (figures.last - figures.first).days + 1
    parts = [f"{figures.first} – {figures.last}" if days else t("None written down."), f"{t('Days recorded')}: {days}"]
    if figures.journal.day is not None:
        parts.append(f"{t('Day of the plant')}: {figures.journal.day}")
    return escape(" · ".join([*parts, f"{t('Made on')} {now:%Y-%m-%d %H:%M}"]))


def _headline(figures: SeasonFigures, t: Translate) -> str:
    journal = figures.journal
    without = t("no harvest was written down")
    fruit = t("{n} fruits").format(n=journal.fruit_count) if journal.fruit_count else ""
    fed = f"{figures.pumped_l:.1f} {t('by the pump')}, {figures.fed_l:.1f} {t('fed by hand')}"
    dli = "" if figures.mean_dli is None else f"{figures.mean_dli:.1f} {t('mean light integral, mol/m² a day')}"
    unknown, dry, idle = t("unknown"), t("no water was recorded"), t("no device ran")
    harvest = (f"{journal.harvest_g:.0f} g", fruit) if journal.harvests else (unknown, without)
    energy = (f"{figures.energy_kwh:.1f} kWh", "") if figures.energy_kwh else (unknown, idle)
    rows = (
        (t("Harvest"), *harvest),
        (t("Water"), *((f"{figures.water_l:.1f} l", fed) if figures.water_l else (unknown, dry))),
        (t("Energy"), *energy),
        (t("Light"), f"{figures.light_h:.0f} h", dli),
        (t("Yield per litre"), *_ratio(figures.g_per_l, "g/l", unknown, dry if journal.harvests else without)),
        (t("Yield per kWh"), *_ratio(figures.g_per_kwh, "g/kWh", unknown, idle if journal.harvests else without)),
    )
    return "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(note)}</small></dd></div>"
        for name, value, note in rows
    )


def _ratio(value: float | None, unit: str, unknown: str, why: str) -> tuple[str, str]:
    return (unknown, why) if value is None else (f"{value:.1f} {unit}", "")


def _energy_note(measured: Mapping[str, float], t: Translate) -> str:
    parts = []
    for row in OUTPUTS:
        kind = t("measured") if row.name in measured else t("typical")
        parts.append(f"{t(row.label)} {measured.get(row.name, row.power_w):g} ({kind})")
    return t("Energy is the time on times the power of each device, in watts: ") + ", ".join(parts) + "."


def _charts(figures: SeasonFigures, t: Translate) -> str:
    rows = (
        (t("Water by week, l"), [week.water_l + week.feed_l for week in figures.weeks], "--water", 1),
        (t("Energy by week, kWh"), [week.energy_kwh for week in figures.weeks], "--amber", 1),
        (t("Harvest by week, g"), [week.harvest_g for week in figures.weeks], "--leaf", 0),
    )
    labels = [f"{week.begins:%d.%m.}" for week in figures.weeks]
    return "".join(
        f"<figure><figcaption>{escape(name)}</figcaption>{_bars(labels, values, colour, digits)}</figure>"
        for name, values, colour, digits in rows
    )


def _bars(labels: list[str], values: list[float], colour: str, digits: int) -> str:
    """Columns as SVG, 260 x 110; each with its value above, every so often with its week below."""
    width, height, foot = 260, 110, 14
    most, count = max(values, default=0.0) or 1.0, max(1, len(values))
    step = width / count
    every = -(-count // 6)
    wide = min(48.0, step * 0.7)
    parts = []
    for at, value in enumerate(values):
        tall = (height - foot - 14) * value / most
        left, top = at * step + (step - wide) / 2, height - foot - tall
        place = f'x="{left + wide / 2:.1f}" text-anchor="middle"'
        box = f'x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{tall:.1f}"'
        parts.append(f'<rect {box} fill="var({colour})"/>')
        if value and at % every == 0:
            parts.append(f'<text {place} y="{top - 3:.1f}">{value:.{digits}f}</text>')
        if at % every == 0:
            parts.append(f'<text {place} y="{height - 2}">{labels[at]}</text>')
    line = f'<path d="M0 {height - foot}H{width}" stroke="var(--line)"/>'
    return f'<svg viewBox="0 0 {width} {height}" aria-hidden="true">{line}{"".join(parts)}</svg>'


def _tables(entries: list[Json], t: Translate) -> str:
    harvests = [one for one in entries if one["kind"] == "harvest"]
    tasks = [one for one in entries if one["kind"] == "task"]
    measured = [one for one in entries if any(one.get(name) is not None for name in ("ec_ms_cm", "ph", "feed_ml"))]
    return "".join(
        (
            _table(t("Harvests"), ("Day", "Plant", "Weight", "Fruit", "Words"), harvests, t),
            _table(t("Measurements"), ("Day", "Plant", "EC", "pH", "Feed", "Words"), measured, t),
            _table(t("Tasks"), ("Day", "Plant", "Tasks", "Words"), tasks, t),
        )
    )


_CELLS: dict[str, Callable[[Json, Translate], str]] = {
    "Day": lambda one, t: one["ts"][:10],
    "Plant": lambda one, t: one["plant"] or "–",
    "Weight": lambda one, t: f"{one['harvest_g']:g} g",
    "Fruit": lambda one, t: "" if one["fruit_count"] is None else str(one["fruit_count"]),
    "EC": lambda one, t: "" if one["ec_ms_cm"] is None else f"{one['ec_ms_cm']:g} mS/cm",
    "pH": lambda one, t: "" if one["ph"] is None else f"{one['ph']:g}",
    "Feed": lambda one, t: "" if one["feed_ml"] is None else f"{one['feed_ml']:g} ml",
    "Tasks": lambda one, t: t(one["task"]),
    "Words": lambda one, t: one["text"],
}
_NUMBERS = ("Weight", "Fruit", "EC", "pH", "Feed")


def _table(title: str, columns: tuple[str, ...], rows: list[Json], t: Translate) -> str:
    if not rows:
        return f'<h2>{escape(title)}</h2><p class="dim">{escape(t("None written down."))}</p>'

    shown = {name: [_CELLS[name](one, t) for one in rows] for name in columns}
    columns = tuple(name for name in columns if any(cell not in ("", "–") for cell in shown[name]))

    def kind(name: str) -> str:
        return ' class="n"' if name in _NUMBERS else ""

    head = "".join(f'<th scope="col"{kind(name)}>{escape(t(name))}</th>' for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td{kind(name)}>{escape(shown[name][at])}</td>" for name in columns) + "</tr>"
        for at in range(len(rows))
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<h2>{escape(title)}</h2><div class="table">{table}</div>'
