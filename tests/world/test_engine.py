"""Game engines: time, places and collisions from an engine of its own; the C# client and the Godot project are run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tomato_host.service.orchestrator_host import OrchestratorHost
from tomato_host.world.client import WorldStream
from tomato_host.world.demos.engine import arena_agents, run_engine
from tomato_host.world.event_log import ChainedLog
from tomato_host.world.orchestrator import Orchestrator
from tomato_host.world.worlds.arena import PLAYER, ArenaWorld

from tests.incidents.running_host import ROOT
from tests.world.served import served

CSHARP = ROOT / "clients" / "csharp"
GODOT = ROOT / "clients" / "godot"


def arena() -> OrchestratorHost:
    began_s = time.monotonic()  # the engine's time begins at 0, too, and the world's never goes back
    host = OrchestratorHost(
        Orchestrator("arena", ArenaWorld(), ChainedLog("arena"), lambda: time.monotonic() - began_s),
        {PLAYER.name: PLAYER},
    )
    for record in arena_agents("arena"):
        host.add_agent(record)
    return host


def until(stream: WorldStream, kind: str, wanted: str = "") -> Any:
    while True:
        message = stream.receive(15.0)
        if kind in message and wanted in ("", message[kind].get("kind")):
            return message[kind]


def test_the_demo_ends_in_one_collision_and_repeats() -> None:
    first = run_engine()
    assert first["ok"] and first == run_engine()
    assert first["collisions"]["count"] == 1


def test_an_engine_owns_time_and_physics_and_nobody_else_does(tmp_path: Path) -> None:
    with served(tmp_path, arena()) as world:
        engine, player = world.client("engine"), world.client("player")
        with engine.stream() as physics, player.stream() as plays:
            physics.send({"tick": {"sim_time_s": 5.0, "dt_s": 0.1}})
            physics.send({"move": {"body": "red", "position": [0.0, 0.0]}})
            assert until(plays, "effect", "body_moved")["sim_time_s"] == 5.0
            far = {"id": "push-1", "kind": "push", "payload": {"body": "red", "target": [50.0, 0.0]}}
            plays.send({"intent": far})
            refused = until(plays, "answer")
            assert refused["code"] == "INTENT_CONFLICT" and refused["limit"] == 5.0
            plays.send({"intent": {**far, "id": "push-2", "payload": {"body": "red", "target": [1.0, 0.0]}}})
            assert until(physics, "effect", "push")["payload"] == {"body": "red", "target": [1.0, 0.0]}
            physics.send({"collision": {"a": "red", "b": "wall", "impulse": 2.5, "position": [1.0, 0.0]}})
            assert until(plays, "effect", "collision")["payload"]["impulse"] == 2.5
            for forged in ({"tick": {"sim_time_s": 9.0}}, {"collision": {"a": "x", "b": "y"}}):
                plays.send(forged)
                assert until(plays, "error")["code"] == "NOT_PERMITTED"
        assert world.host.host.state.document["collisions"]["count"] == 1
        assert not world.host.host.log.validate()
        engine.close()
        player.close()


@pytest.mark.skipif(
    shutil.which("mcs") is None or shutil.which("mono") is None,
    reason="no mono here: apt install mono-mcs mono-runtime",
)
def test_the_csharp_client_against_a_live_host(tmp_path: Path) -> None:
    program = tmp_path / "check.exe"
    sources = [str(path) for folder in ("Core", "Check") for path in sorted((CSHARP / folder).glob("*.cs"))]
    built = subprocess.run(["mcs", "-warnaserror", f"-out:{program}", *sources], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    with served(tmp_path, arena()) as world:
        environment = {**os.environ, "ENGINE_TOKEN": world.token("engine"), "PLAYER_TOKEN": world.token("player")}
        done = subprocess.run(
            ["mono", str(program), world.url.replace("http", "ws")],
            capture_output=True,
            text=True,
            env=environment,
            timeout=90,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        seen = json.loads(done.stdout.splitlines()[-1])
        assert seen["answer"] == "accepted" and seen["push"] == "player" and seen["collision"]["impulse"] == 1
        assert world.host.host.state.document["collisions"]["count"] == 1


def test_the_csharp_core_needs_no_game_engine() -> None:
    core = "".join(path.read_text() for path in (CSHARP / "Core").glob("*.cs"))
    assert "UnityEngine" not in core.replace("// One agent's", "") and "using Unity" not in core
    assert "using UnityEngine" in (CSHARP / "Unity" / "TomatoWorldBehaviour.cs").read_text()


@pytest.mark.skipif(shutil.which("godot3-server") is None, reason="no Godot 3 here: apt install godot3-server")
def test_a_godot_engine_ticks_and_its_collision_comes_back_as_an_effect(tmp_path: Path) -> None:
    project = shutil.copytree(GODOT, tmp_path / "project")
    with served(tmp_path, arena()) as world:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "WORLD_URL": world.url.replace("http", "ws"),
            "TOMATO_TOKEN": world.token("engine"),
            "PLAYER_TOKEN": world.token("player"),
        }
        done = subprocess.run(
            ["godot3-server", "--path", str(project), "check.tscn"],
            capture_output=True,
            text=True,
            env=environment,
            timeout=90,
        )
        assert done.returncode == 0 and "ERROR" not in done.stdout + done.stderr, done.stdout + done.stderr
        seen = json.loads(done.stdout.splitlines()[-1])
        assert seen["answer"]["status"] == "accepted" and seen["push"]["source"] == "player"
        collision = seen["collision"]
        assert collision["source"] == "engine" and {collision["payload"][end] for end in "ab"} == {"blue", "red"}
        # Equal balls of 1 kg, one at 1 m/s: Bullet's contact solver exchanges half of it to all of it.
        assert 0.4 <= collision["payload"]["impulse"] <= 1.0 and 0.6 <= collision["payload"]["position"][0] <= 1.0
        # At 1 m/s the gap of 0.6 m takes 18 of its 30 steps a second: the time is that of Godot's own physics.
        assert collision["sim_time_s"] - seen["push"]["sim_time_s"] == pytest.approx(0.6, abs=0.2)
        assert seen["after"]["velocity"][0] > 0.3, "blue has got the push"
        assert world.host.host.state.document["collisions"]["count"] == 1
        assert not world.host.host.log.validate()
