"""`tomato-host install-service`: a systemd unit with watchdog and safe stop, and the udev rule."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
from pathlib import Path

import typer


def install_service(
    board: str = typer.Option("/dev/tomato", "--board", help="Port of the board; the udev rule makes /dev/tomato."),
    data_dir: Path = typer.Option(Path("/var/lib/tomato-host"), "--data-dir", help="Where the records go."),
    config: Path | None = typer.Option(None, "--config", help="TOML settings file."),
    user: str = typer.Option("", "--user", help="User of the service; default: the caller (also through sudo)."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show both files, write nothing."),
    root: Path = typer.Option(Path("/"), "--root", help="Write below this directory (for images and packages)."),
) -> None:
    """Write the systemd unit and the udev rule; then `systemctl enable --now tomato-host`."""
    from tomato_host.service.operations.install import RULE, RULE_PATH, UNIT_PATH, ServiceOptions, install, unit
    from tomato_host.settings import load_settings

    load_settings(config)  # a service with a broken file would start for ever
    choice = ServiceOptions(
        user=user or os.environ.get("SUDO_USER") or getpass.getuser(),
        program=_program(),
        board=board,
        data_dir=str(data_dir.absolute()),
        config=str(config.absolute()) if config else "",
    )
    if dry_run:
        typer.echo(f"# {root / UNIT_PATH}\n{unit(choice)}\n# {root / RULE_PATH}\n{RULE}", nl=False)
        return
    for path in install(choice, root):
        typer.echo(f"wrote {path}")
    typer.echo("Next: sudo systemctl enable --now tomato-host; then `systemctl status tomato-host`.")


def _program() -> str:
    """The absolute path of the running program."""
    beside = Path(sys.executable).with_name("tomato-host")
    return str(beside) if beside.exists() else shutil.which("tomato-host") or str(beside)
