"""`tomato-host learn blueprints|compile|fetch`: what a block may be, and its compiled form."""

from __future__ import annotations

from typing import Annotated

import typer

from tomato_host.cli.learn_options import DEFAULT_DATA, AsJson, Data, show


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (blueprints, compile, fetch):
        app.command()(command)


def blueprints(
    kind: Annotated[str | None, typer.Option(help="trees, network, module, hostile.")] = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """The 50 blueprints: tier, approval, parameters with their ranges, and whether they are compiled."""
    from dataclasses import asdict

    from tomato_host.learn.blueprints import catalogue_of_blueprints
    from tomato_host.learn.catalogue import NAME, Catalogue

    root = data / "learn" / "catalogue"
    compiled = {}
    if (root / NAME).exists():
        with Catalogue(root) as catalogue:
            compiled = {row.blueprint: row.kind for row in catalogue.artifacts()}
    rows = [
        asdict(one) | {"code": one.code, "compiled": compiled.get(one.id)}
        for one in catalogue_of_blueprints().values()
        if kind in (None, one.kind)
    ]
    lines = [
        f"{row['code']} {row['name']:18} {row['tier']:12} {row['size']:6} {'approved' if row['approved'] else '-':8} "
        + ", ".join(f"{name} {p['default']:g} ({p['least']:g}..{p['most']:g})" for name, p in row["parameters"].items())
        for row in rows
    ]
    show({"blueprints": rows}, lines, as_json)


def compile(
    only: Annotated[int, typer.Option(help="One blueprint by number; 0 is all.")] = 0,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="The adversarial ones only, in limited children.")
    ] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Compile what is missing, one artifact a shape; a run that was killed goes on where it was."""
    from dataclasses import asdict

    from tomato_host.learn.blueprints import blueprint, catalogue_of_blueprints
    from tomato_host.learn.catalogue import Catalogue
    from tomato_host.learn.compile.jobs import jobs_for
    from tomato_host.learn.compile.quarantine import run_hostile
    from tomato_host.learn.compile.runner import compile_all
    from tomato_host.terminal.progress import progress

    root = data / "learn" / "catalogue"
    if quarantine:
        with Catalogue(root) as catalogue:
            hostile = [one for one in catalogue_of_blueprints().values() if one.tier == "adversarial"]
            with progress("hostile blueprints", as_json) as shown:
                found = [run_hostile(one, catalogue) for one in shown.over(hostile, len(hostile))]
        verdicts = [asdict(one) for one in found]
        lines = [f"BP{v['blueprint']:03d} {'refused' if v['refused'] else 'PASSED'}: {v['how']}" for v in verdicts]
        show({"quarantine": verdicts}, lines, as_json)
        raise typer.Exit(0 if all(one.refused for one in found) else 1)
    jobs = jobs_for([blueprint(only)] if only else None)
    with progress("compiling", as_json) as shown:
        queue = compile_all(root, jobs=list(jobs), report=shown.share)
    facts = {"done": queue.done, "skipped": queue.skipped, "failed": queue.failed}
    lines = [f"{len(queue.done)} compiled, {len(queue.skipped)} were there, {len(queue.failed)} failed."]
    show(facts, lines + [f"  {key}: {why}" for key, why in queue.failed.items()], as_json)
    raise typer.Exit(1 if queue.failed else 0)


def fetch(
    number: Annotated[int, typer.Argument(help="Blueprint: 6 is BP006.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Fetch a compiled blueprint as a slot does: verify its hash; how long it took, first and from the cache."""
    import time

    from tomato_host.learn.blueprints import blueprint
    from tomato_host.learn.catalogue import Catalogue

    one = blueprint(number)
    with Catalogue(data / "learn" / "catalogue") as catalogue:
        times = []
        for _ in range(2):
            started = time.perf_counter()
            catalogue.fetch(number, lambda path, _row: path)
            times.append((time.perf_counter() - started) * 1_000.0)
        row = catalogue.artifact(number)
    assert row is not None
    facts = {"blueprint": one.code, "kind": row.kind, "sha256": row.sha256, "first_ms": times[0], "cached_ms": times[1]}
    text = f"{one.code} {row.kind} {row.sha256[:16]}: {times[0]:.2f} ms, from the cache {times[1]:.3f} ms."
    show(facts, [text], as_json)
