"""The one wording of a refusal or a clipping: what, the value with its unit, the limit, and when it is possible again.

It is made where the rule is decided and recorded as `Check.text`; CLI, API, dashboard, MQTT and `explain` show it as it
is. Times are in the zone of the decision's own time stamp, which is that of the plants.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tomato_host.brain.guardrails.context import RuleFinding

MAX_TEXT = 240


def possible_again(finding: RuleFinding, now: datetime) -> datetime | None:
    """When the same proposal may pass, as far as this rule goes; None where nobody can know."""
    return None if finding.again_s is None else now + timedelta(seconds=max(0.0, finding.again_s))


def finding_text(finding: RuleFinding, now: datetime) -> str:
    """`too soon after the last one: 312 s, at least 1800 s; possible again at 14:32`.

    Of a clipping: `asked for 300 ml, 150 ml left of the day's 2200 ml`.
    """
    text = finding.text
    only_time = finding.limit == 0.0 and finding.again_s == finding.value  # held for a time: its end says it
    if finding.unit and finding.value is not None and finding.limit is not None and not only_time:
        value, limit = amount(finding.value, finding.unit), amount(finding.limit, finding.unit)
        if finding.milli is not None and not finding.least:
            text = f"asked for {value}, {limit} {text}"
        else:
            text += f": {value}, {'at least' if finding.least else 'limit'} {limit}"
    again = possible_again(finding, now)
    if again is not None:
        day = "" if again.date() == now.date() else f" on {again:%d %b}"
        text += f"; possible again at {again:%H:%M}{day}"
    return text[:MAX_TEXT]


def amount(value: float, unit: str) -> str:
    """A number as people read it, with its unit: no more than one decimal above ten."""
    number = f"{value:.0f}" if abs(value) >= 100.0 else f"{value:.3g}"
    return f"{number} {unit}"
