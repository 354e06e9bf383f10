"""Every text that the pages can show: those marked in the HTML, those of the scripts, and those that the host sends."""

from __future__ import annotations

import ast
import html
import itertools
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import cast, get_args

from tomato_host.advisor.context import Task, WakeContext
from tomato_host.advisor.text.facts import DAY_FACTS, STATE_FACTS, Fact, cycle_facts
from tomato_host.advisor.text.prose import ORDER, template_text
from tomato_host.board.event_text import TEXTS, describe
from tomato_host.board.events import BoardEvent
from tomato_host.brain.control import proposals, rules
from tomato_host.brain.control.planner import drippers, mpc, plan_explanation, watering
from tomato_host.brain.control.planner.crop_terms import CROP_TERMS
from tomato_host.brain.safe_mode.causes import CAUSES as SAFE_CAUSES
from tomato_host.brain.world_model import prediction_record
from tomato_host.service import http_api, live_state, season_report
from tomato_host.service.demo_routes import MENU
from tomato_host.service.notify.urgency import CAUSES
from tomato_host.sources.scenarios import FAULTS as SCENARIOS

from shared_schemas.devices import OUTPUTS, SENSORS
from shared_schemas.records import ActionType, ActionV1, AnomalyType, AnomalyV1
from shared_schemas.records.agent_v1 import ORIGIN_AGENTS
from shared_schemas.records.base import Mode
from shared_schemas.wire import FAULTS, REASON_TABLE, REASONS, RESET_CAUSES, STATES, WHY_TABLE
from tests.contracts.examples import parsed

WEB = Path(http_api.__file__).parent / "web"
EVENT_WORDS = {
    *(row.meaning for table in (FAULTS, REASON_TABLE, WHY_TABLE) for row in table),
    *(row.name.replace("_", " ") for row in WHY_TABLE),
    *(text for row in SAFE_CAUSES for text in (row.message, row.next_step)),
    *(one.value.replace("_", " ").lower() for kind in (ActionType, AnomalyType) for one in kind),
    *RESET_CAUSES.values(),
    *(state.lower() for state in STATES),
    *(row.label or row.name.replace("_", " ") for row in SENSORS),
}
"""What stands in the sentences of events."""
VERDICTS = {"Board holds fault {faults}", "Safe mode: {reason}", "Watching: {anomaly}"}
"""Sentences of the page's first line that end in a name of the moment."""
STRING = r'"((?:[^"\\]|\\.)*)"'


def of_pages() -> set[str]:
    """Texts and attributes marked for translation in the HTML, and every literal that a script passes to `t`."""
    page = (WEB / "index.html").read_text(encoding="utf-8")
    found = {html.unescape(text).strip() for text in re.findall(r"<[^>]*\sdata-t(?:\s[^>]*)?>([^<]+)<", page)}
    for tag in re.findall(r"<[^>]*data-t-attributes=[^>]*>", page):
        (names,) = re.findall(r'data-t-attributes="([^"]+)"', tag)
        for name in names.split():
            found |= {html.unescape(text) for text in re.findall(rf'(?<![-\w]){name}="([^"]*)"', tag)}
    for script in WEB.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        found |= set(re.findall(rf"(?<![\w.])t\({STRING}", text))
        found |= {word for line in re.findall(r"// translated: (.*)", text) for word in re.findall(STRING, line)}
    return found


def of_host() -> set[str]:
    """Names and sentences of the host that stand on every page: labels, modes, faults, the verdict, what to do."""
    source = Path(live_state.__file__).read_text(encoding="utf-8")
    table = source[source.index("table: tuple") : source.index("return next(((level")]
    verdicts = set(re.findall(rf'"(?:bad|watch|well)", {STRING}', table)) - {"", "Board holds fault "}
    return (
        verdicts
        | {"All is well", "every cause has gone, calm is awaited"}
        | {row.label for row in OUTPUTS}
        | {row.label.removesuffix(" temperature") for row in SENSORS if row.label}
        | {term.name for term in CROP_TERMS}
        | {cause.do for cause in CAUSES if cause.do}
        | {row.name.replace("_", " ") for row in FAULTS}
        | {name.replace("_", " ") for name in REASONS}
        | set(get_args(Mode))
        | set(ORIGIN_AGENTS.values())
        | set(season_report.TEXTS)
        | {text for name in MENU for text in (name.replace("_", " "), SCENARIOS[name].meaning)}
        | event_names()
        | EVENT_WORDS
    )


def of_rules() -> set[str]:
    """A sentence for each reason that the rules give: what they put into it is "1"."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(Path(rules.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "OutputRequest" and len(node.args) > 2:
            found |= sentences(node.args[2])
        elif isinstance(node, ast.Assign) and "text" in ast.unparse(node.targets[0]).split(", "):
            found |= sentences(node.value.elts[0] if isinstance(node.value, ast.Tuple) else node.value)
    return found


def sentences(node: ast.expr) -> set[str]:
    """What an expression of literals says; nothing for a name, whose own assignment says it."""
    if isinstance(node, ast.IfExp):
        return sentences(node.body) | sentences(node.orelse)
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.JoinedStr):
        return {"".join(str(part.value) if isinstance(part, ast.Constant) else "1" for part in node.values)}
    return set()


PLANNER = (plan_explanation, watering, drippers, mpc, proposals, prediction_record)
"""Where the planner, its water and the forecast are put into words; numbers and names in them become "1"."""


def of_planner() -> set[str]:
    """Every sentence that these modules can make, with what varies filled in from their own texts."""
    functions = [node for one in PLANNER for node in ast.walk(_tree(one)) if isinstance(node, ast.FunctionDef)]
    returns: dict[str, set[str]] = {}
    for _ in range(3):  # a text of a text of a text
        found: set[str] = set()
        for function in functions:
            texts = dict(returns)
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    texts[node.targets[0].id] = _wordings(node.value, texts)
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and node.value is not None:
                    returns.setdefault(function.name, set()).update(_wordings(node.value, texts))
                elif isinstance(node, ast.keyword) and node.arg in ("text", "explanation"):
                    found |= _wordings(node.value, texts)
                elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "OutputRequest":
                    found |= _wordings(node.args[2], texts)
                elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "append":
                    found |= _wordings(node.args[0], texts)
    for name in ("duty_reason", "gas_reason", "explain", "advice", "drowning", "_worst_hour"):
        found |= returns[name]
    found |= {f"{row.name.replace('_', ' ')} 1 % of the time" for row in OUTPUTS if row.kind == "relay"}
    return {text for text in found if re.search("[a-z]{3}", text) and "because ." not in text}


def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))


def _wordings(node: ast.expr, texts: Mapping[str, set[str]]) -> set[str]:
    """As `sentences`, with what names and calls of the module stand for; "1" for what is no text of it."""
    if isinstance(node, ast.IfExp):
        return _wordings(node.body, texts) | _wordings(node.orelse, texts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined((_wordings(node.left, texts), _wordings(node.right, texts)))
    if isinstance(node, ast.Subscript):
        return _wordings(node.value, texts)
    if isinstance(node, ast.Dict):
        return {text for value in node.values for text in _wordings(value, texts)}
    if isinstance(node, ast.Constant):
        return {node.value} if isinstance(node.value, str) else {"1"}
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.FormattedValue) else part for part in node.values)
        return _joined(tuple(_wordings(part, texts) for part in parts))
    name = getattr(node, "id", "") or (getattr(node.func, "id", "") if isinstance(node, ast.Call) else "")
    return texts.get(name) or {"1"}


def _joined(parts: Sequence[set[str]]) -> set[str]:
    return {"".join(one) for one in itertools.product(*parts)}


HOST = Path(live_state.__file__).parents[1]
NO_PAGE = frozenset({"cli", "learn", "twin", "world"})
"""Packages whose texts stand in a terminal or in another world's log."""
TEXT_AT = {"event": 4, "storage_event": 3, "record_warning": 2, "_add_event": 2, "_warning": 2}
"""Calls that record an event: which argument is its text. Its name stands before it."""
PLUGINS = ("dashboard", "mqtt", "bus")


def of_events() -> set[str]:
    """Every sentence of an event that the journal shows: the board's, those of the mode, the advisor's, the host's."""
    pairs = [(one, other) for one in range(45) for other in (0, 1, 45)]
    codes = {*pairs, *((b, a) for a, b in pairs)}
    described = {describe(BoardEvent(0, 0, 0, 0.0, name, *code)) for name in TEXTS for code in codes}
    modes = {f"SAFE: {row.message} Next: {row.next_step}." for row in SAFE_CAUSES}
    told = {re.sub(r"(?<![\w,])\d+(?!\w|,\d)", "1", text) for _, text in described}
    return (
        told
        | modes
        | of_advisor()
        | {text for _, text in _recorded() if re.search("[a-z]{3}", text) and ": ." not in text}
    )


def event_names() -> set[str]:
    """What the journal calls them."""
    names = {name for name, _ in _recorded()} | set(TEXTS) | {f"mode_{mode.lower()}" for mode in get_args(Mode)}
    names |= set(get_args(Task)) - {"vision"}
    names |= {f"{feed}_process_ended" for feed in PLUGINS} | {
        f"{feed}_{end}" for feed in PLUGINS[1:] for end in ("trouble", "connected")
    }
    names |= {f"person_{kind}" for kind in ("action", "mode", "acknowledge")} | {
        f"model_{end}" for end in ("promoted", "rolled_back", "refused")
    }
    return {name.replace("_", " ") for name in names} - {
        "state"
    }  # the same word is a reason; an event is the board's state


def of_advisor() -> set[str]:
    """The advisor's own wording, which stands where no model has written: each fact in the sentence of its group."""
    state = [Fact(name, form.format(1.5), group) for group, name, _, form in STATE_FACTS]
    day = [Fact(name, form.format(1.5), "day") for name, _, form in DAY_FACTS]
    probes = [Fact("soil probe P1", value, "soil") for value in ("1.5 %", "without a value")]
    plan = [Fact("reason of the plan", "moving air", "plan"), Fact("not done", "moving air", "plan")]
    facts = (*state, *day, *probes, *plan, *_done_and_noticed(), Fact("canopy share 1", "23 %", "season"))
    told = {f"Noticed: action water 60 ml done because {name}." for name in rule_names()}
    return (
        told
        | {template_text(kind, tuple(part)) for kind in ORDER for part in (facts, facts[::-1], facts[:1])}
        | {template_text("summary", ())}
    )


def rule_names() -> set[str]:
    """The short names of the rules that an action says have fired."""
    found: set[str] = set()
    for node in ast.walk(_tree(rules)):
        fired = node.args[3:4] if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "OutputRequest" else []
        if isinstance(node, ast.Assign) and any("fired" in ast.unparse(target) for target in node.targets):
            # Of `share, text, fired = 0.5, "...", ("rule",)` the tuple alone.
            fired = [node.value]
            if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
                fired = [one for one in node.value.elts if isinstance(one, ast.Tuple)]
        tuples = (part for one in fired for part in ast.walk(one) if isinstance(part, ast.Tuple))
        found |= {text for one in tuples for part in one.elts for text in _wordings(part, {})}
    return {text for text in found if re.search("[a-z]{2}", text)}


def _done_and_noticed() -> Sequence[Fact]:
    anomaly, action = cast(AnomalyV1, parsed("anomaly_v1")), cast(ActionV1, parsed("action_v1"))
    why = action.why.model_copy(update={"rules_fired": ("moving air",)})
    none: dict[str, object] = {"ml": None, "seconds": None, "state": None}
    amounts: dict[ActionType, Sequence[dict[str, object]]] = {
        ActionType(row.action): ({"ml": 60.0},) if row.dose_unit == "ml" else ({"seconds": 60.0}, {"state": "OFF"})
        for row in OUTPUTS
    }
    amounts[ActionType.CO2_INJECT] = ({"seconds": 60.0},)
    actions = tuple(
        action.model_copy(
            update={"type": kind, "why": reason, "params": action.params.model_copy(update=none | amount)}
        )
        for kind in ActionType
        for amount in amounts.get(kind, (none,))
        for reason in (why, action.why.model_copy(update={"rules_fired": ()}))
    )
    contexts = [
        WakeContext.model_construct(wake_id="w", ts=anomaly.ts, anomalies=(one,), actions=some)
        for one in (anomaly, anomaly.model_copy(update={"phase": "CLEARED", "subject": None}))
        for some in (actions[n : n + 6] for n in range(0, len(actions), 6))
    ]
    return tuple(dict.fromkeys(fact for one in contexts for fact in cycle_facts(one) if fact.name != "state"))


@cache
def _recorded() -> set[tuple[str, str]]:
    """Name and text of every event that the host records with literals of its own."""
    found: set[tuple[str, str]] = set()
    for path in HOST.rglob("*.py"):
        if NO_PAGE & set(path.relative_to(HOST).parts):
            continue
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                found |= _recorded_in(function)
    return found


def _recorded_in(function: ast.FunctionDef) -> set[tuple[str, str]]:
    texts: dict[str, set[str]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            texts.setdefault(node.targets[0].id, set()).update(_wordings(node.value, texts))
    found: set[tuple[str, str]] = set()
    for node in ast.walk(function):
        at = (
            TEXT_AT.get(getattr(node.func, "attr", getattr(node.func, "id", "")), 0)
            if isinstance(node, ast.Call)
            else 0
        )
        if isinstance(node, ast.Call) and 0 < at < len(node.args):
            names = _wordings(node.args[at - 1], texts)
            found |= {(name, text) for name in names for text in _wordings(node.args[at], texts) if "1" not in name}
    return found
