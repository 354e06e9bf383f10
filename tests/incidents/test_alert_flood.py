"""A loose plug: the line flaps, and the phone rings twice, not twenty times; the record has every single one."""

from __future__ import annotations

import time
from pathlib import Path

from tomato_host.twin import server

from tests.incidents.cable import Cable
from tests.incidents.running_host import RunningHost, until
from tests.notify.test_delivery import Endpoint

FLAPS = 4


def test_a_loose_plug(tmp_path: Path) -> None:
    phone = Endpoint()
    with server.start(seed=3, flash=tmp_path / "flash") as twin:
        cable = Cable(twin.port_path, tmp_path)
        here = RunningHost(tmp_path, str(cable.port), "[notify]\nenabled = true\n")
        try:
            here.start(environment={"TOMATO_NOTIFY_URLS": f"json://127.0.0.1:{phone.port}/"})
            until(lambda: here.status()["link"] == "up", "the link")
            for flap in range(1, FLAPS + 1):
                cable.pull()
                until(lambda flap=flap: here.names().count("link_down") == flap, "the lost link")
                cable.plug()
                until(lambda flap=flap: here.names().count("link_up") == flap + 1, "the link")
            until(lambda: len(phone.got) >= 2, "the messages")
            time.sleep(1.0)
            about_link = [str(m["message"]) for m in phone.got if "board does not answer" in str(m["message"]).lower()]
            assert len(about_link) == 2, phone.got
            assert about_link[1].startswith("Recovered"), "the reader is not left with a wrong impression"
            assert len(phone.got) <= 4, phone.got
            here.stop()
            here.assert_whole()
        finally:
            here.end()
            cable.close()
            phone.server.shutdown()
            phone.server.server_close()
