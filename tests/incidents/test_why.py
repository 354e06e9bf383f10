"""Why did it (not) act? Every action, every refusal and every thing left undone has its reason, where one looks."""

from __future__ import annotations

import json
from pathlib import Path

from tests.incidents.running_host import running_host, until


def test_deeds_refusals_and_what_was_left_undone(tmp_path: Path) -> None:
    with running_host(tmp_path) as (host, _):
        until(lambda: host.status()["tally"]["episodes"], "the first decision")
        until(lambda: host.get("/api/glance")["plan"], "the plan on the dashboard")
        plan = host.get("/api/glance")["plan"]
        assert plan["explanation"] and all(": " in line for line in plan["not_done"])

        reported = json.loads(host.command("explain", "--json").stdout)
        decided = {line.split(":")[0] for line in reported["not_done"]} | {d["action"] for d in reported["done"]}
        decided |= {d["action"] for d in reported["refused"]}
        assert len(decided) >= 6, "each output has its line: done, refused, or not done and why"
        assert all(d["why"] and d["verdict"] for d in reported["done"])
        screen = host.command("explain").stdout
        assert "Not done" in screen and len(screen.splitlines()) < 60, "one screen"

        # A refusal names rule and reason: to whoever asked, on the dashboard, and in the record.
        code, answer = host.post("/api/mode", mode="SAFE", hours=1.0, reason="visitors")
        assert code == 200, answer
        until(lambda: host.status()["mode"] == "SAFE", "safe mode")
        code, answer = host.post("/api/switch", output="humidifier", state="ON", seconds=60.0, reason="dry air")
        assert code == 409 and "refused by mode: mode SAFE allows no SET_HUMIDIFIER" in answer["detail"]
        refused = until(
            lambda: [a for a in host.get("/api/actions?limit=300") if not a["safety"]["validated"]],
            "the refusal on the dashboard",
        )[-1]
        assert refused["safety"]["refused_by"] and refused["safety"]["checks"][-1]["text"]
        assert "ana-admin: dry air" in refused["why"]["text"]
        host.stop()
        kept = [a for a in host.records("actions") if a["id"] == refused["id"]]
        assert len(kept) == 1 and kept[0]["safety"] == refused["safety"]
        host.assert_whole()
