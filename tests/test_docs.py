"""What documentation says can be checked: paths, links, anchors, commands with their options, make targets, words."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest
import typer
from tomato_host.brain.guardrails.ledger_events import FORMER_NAMES
from tomato_host.cli.main import COMMANDS, build
from tomato_host.service.bus.message import OLD_ACTION_LABEL
from tomato_host.settings import MOVED
from tomato_host.sources.scenarios import OLD_NAMES

ROOT = Path(__file__).resolve().parents[1]
PAGES = tuple(
    path.relative_to(ROOT).as_posix()
    for path in (
        *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")),
        *(ROOT / "docs").glob("*.md"),
    )
)
TREES = ("host", "firmware", "shared_schemas", "tests", "tools", "deploy", "docs", ".ci", ".github")
OF_A_RUN = ("build/", "private/", "public/", "schema/", "images/")
"""Folders that a run, a test or a dataset makes; they are not in the repository."""
OF_A_USER = {"mapping.toml", "tomato.toml", "greenhouse.toml", "day.svg", "next.svg", "reliability.svg", "report.md"}
"""Files that a command in a page reads or writes where the user is."""
FILE = re.compile(
    r"(?<![\w/.<-])(?P<path>(?:\.\./)?(?:[\w.*-]+/)*[\w*-]+\.(?:py|md|svg|png|toml|cddl|gbnf|yml))\b(?!/)"
)
FOLDER = re.compile(r"`(?P<path>[\w-]+(?:/[\w-]+)+)/?`")
LINK = re.compile(r"(?:\]\(|src=\")(?P<target>[^)\"\s]+)")
CODE = re.compile(r"```.*?```|`[^`\n]+`|^ {4}\S[^\n]*", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"(?:^ *|(?<=[`\n])|(?<=bin/))tomato-host (?P<rest>[^`\n]+)")
MAKE = re.compile(r"\bmake (?P<target>[a-z][a-z-]+)")


@cache
def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@cache
def known_files() -> tuple[str, ...]:
    """Every file of the repository's trees, relative to the root, and those beside them."""
    inside = (path for tree in TREES for path in (ROOT / tree).rglob("*") if "__pycache__" not in path.parts)
    beside = (path for path in ROOT.iterdir() if path.is_file())
    return tuple("/" + path.relative_to(ROOT).as_posix() for path in (*inside, *beside))


def exists(reference: str) -> bool:
    """Whether some file or folder has this path, or ends with it: `core/ring.py` is `firmware/tomato/core/ring.py`."""
    pattern = "*/" + reference.removeprefix("../").strip("/")
    return any(fnmatch(path, pattern) for path in known_files())


def code_of(page: str) -> Iterator[str]:
    """The page's code blocks and spans, one text each."""
    return (found.group() for found in CODE.finditer(text_of(page)))


@pytest.mark.parametrize("page", PAGES)
def test_every_path_exists(page: str) -> None:
    named = {found["path"] for found in FILE.finditer(text_of(page))}
    packages = {
        path.name
        for tree in ("host/tomato_host", "host/tomato_host/brain", "firmware/tomato")
        for path in (ROOT / tree).iterdir()
    }
    for found in FOLDER.finditer(text_of(page)):
        if found["path"].split("/")[0] in packages | set(TREES):
            named.add(found["path"])
    missing = {name for name in named if not name.startswith(OF_A_RUN) and not exists(name)} - OF_A_USER
    assert not missing, f"{page} names what does not exist: {sorted(missing)}"


def test_a_path_that_does_not_exist_is_noticed() -> None:
    """The check above can fail: names of 0.1, a name in a wrong folder, a whole folder."""
    assert {found["path"] for found in FILE.finditer("`runtime/supervisor.py`, [x](../agent/a.md), core/ring.py")} == {
        "runtime/supervisor.py", "../agent/a.md", "core/ring.py",
    }  # fmt: skip
    assert exists("core/ring.py") and exists("tests/hil") and exists("integration/test_scenarios_*.py")
    assert not exists("runtime/supervisor.py") and not exists("hal/ring.py") and not exists("runtime")


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_has_its_target(page: str) -> None:
    for found in LINK.finditer(text_of(page)):
        target = found["target"]
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        path = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        assert path.exists(), f"{page} links to {target}"
        assert not anchor or anchor in anchors(path), f"{page} links to {target}; {path.name} has no such heading"


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def command_lines() -> list[tuple[str, str]]:
    """Page and arguments of each `tomato-host ...` in a code block or span."""
    return sorted({
        (page, found["rest"].split(" #")[0].strip())
        for page in PAGES
        for code in code_of(page)
        for found in COMMAND.finditer(re.sub(r" {2,}tomato-host", "\ntomato-host", code))
    })  # fmt: skip


def arguments_of(line: str) -> list[str]:
    """The words up to a pipe or redirection."""
    words = shlex.split(line)
    return words[: next((n for n, word in enumerate(words) if word in ("|", ">>", ">", "&&")), len(words))]


UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What a wrong command line raises; newer versions of typer carry a click of their own."""


def parse(arguments: list[str]) -> None:
    """Parse a command line as the program would, without running it. Raises UsageError."""
    command = typer.main.get_command(build(arguments))
    context = command.make_context("tomato-host", list(arguments))
    while hasattr(command, "resolve_command") and (given := [*context._protected_args, *context.args]):
        name, found, rest = command.resolve_command(context, given)
        assert found is not None
        command, context = found, found.make_context(name, rest, parent=context)


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_every_command_line_is_one(page: str, line: str) -> None:
    arguments = arguments_of(line)
    if arguments in (["--help"], ["--version"]):
        return
    assert arguments[0] in {command.name for command in COMMANDS}, f"{page}: tomato-host {line}"
    try:
        parse(arguments)
    except UsageError as error:
        # A command named in a sentence goes without its arguments, and a group without its command.
        short = type(error).__name__ in ("MissingParameter", "NoArgsIsHelpError")
        assert short and not any(word.startswith("-") for word in arguments), f"{page}: tomato-host {line}: {error}"


@pytest.mark.parametrize(
    "line", ["run --no-such-option", "dataset nothing", "run --duration-hours many", "calibrate soil --probe"]
)
def test_a_wrong_command_line_is_noticed(line: str) -> None:
    with pytest.raises(UsageError):
        parse(line.split())


def test_pages_hold_command_lines() -> None:
    assert len(command_lines()) > 50


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", text_of("Makefile"), re.MULTILINE))
    named = {
        found["target"]
        for code in code_of(page)
        for found in MAKE.finditer(code.split("#")[0] if "\n" not in code else re.sub("#.*", "", code))
    }
    assert not named - targets


def test_every_tool_that_a_page_calls_takes_the_options_named() -> None:
    """`python tools/x.py --option`: the script's source has the option."""
    calls = [
        (page, found["script"], re.findall(r"--[a-z][a-z-]*", found["rest"]))
        for page in PAGES
        for code in code_of(page)
        for found in re.finditer(r"python (?P<script>tools/\w+\.py)(?P<rest>[^`\n#]*)", code)
    ]
    assert calls
    for page, script, options in calls:
        source = text_of(script) + text_of("host/tomato_host/cli/simulate.py") * ("simulate_day" in script)
        assert not [option for option in options if f'"{option}"' not in source], (page, script, options)


def test_the_overview_shows_the_order_of_imports_that_the_contracts_hold() -> None:
    contracts = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    held = [{name.strip().removeprefix("tomato_host.") for name in layer.split("|")} for layer in reversed(layers)]
    (block,) = re.findall(r"## Who may import whom\n```\n(.*?)```", text_of("docs/overview.md"), re.DOTALL)
    shown = [{name.strip() for name in layer.split(",")} for layer in block.split("<-")]
    assert shown == [{"shared_schemas"}, *held]


def test_the_deprecated_settings_keys_are_those_that_are_accepted() -> None:
    section = text_of("docs/stability.md").split("### Keys of the settings file")[1].split("###")[0]
    rows = re.findall(r"^\| (`\[.+`) \| (`\[.+`) \|$", section, re.MULTILINE)
    key = re.compile(r"`\[(\w+)\] (\w+)`")
    listed = {(old, new) for olds, news in rows for old in key.findall(olds) for new in key.findall(news)}
    assert listed == set(MOVED)


def test_the_deprecated_names_are_those_that_are_accepted() -> None:
    section = text_of("docs/stability.md").split("### Names of records and topics")[1]
    for old in (*FORMER_NAMES, *FORMER_NAMES.values(), *OLD_NAMES, OLD_ACTION_LABEL):
        assert re.search(rf"\b{old}\b", section), old


FORMER = (
    r"(?<![\w/])runtime/", r"(?<![\w/_])agent/", r"\bmind\b", r"\bdeeds?\b", r"\bcouriers?\b", r"\btether\b",
    r"\bripening\b", r"\bmanners\b", r"\bday_book\b", r"\bworkbench\b", r"\bthe (?:one )?door\b(?! is shut)",
    r"\bthe books\b", r"\bthe hands\b", r"\bthe body\b", r"\bthe house\b", r"\bwhole house\b", r"\bdesk\b",
    r"\blessons\b", r"\bforesight\b", r"\bcircumstances\b",
)  # fmt: skip
"""Names of packages and parts before 0.2 that no page uses any more. A tent's door stays a door."""


@pytest.mark.parametrize("page", PAGES)
def test_no_page_uses_the_names_of_before(page: str) -> None:
    text = re.split(r"\n## (?:Deprecated|Before)", text_of(page))[0]
    for allowed in ("tomato/<node>/deed", "open the door", "in the frame's header, never in the body"):
        text = text.replace(allowed, "")
    found = [match.group() for pattern in FORMER for match in re.finditer(pattern, text, re.IGNORECASE)]
    assert not found, f"{page}: {found}"
