"""A loose plug: the line flaps, and the phone rings twice, not twenty times; the record has every single one."""

from __future__ import annotations

import time
from pathlib import Path

from tomato_host.twin import server

from tests.incidents.running_host import RunningHost, until
from tests.incidents.serial_link import PullableLink
from tests.notify.test_delivery import Endpoint

FLAPS = 4


def test_a_loose_plug(tmp_path: Path) -> None:
    phone = Endpoint()
    with server.start(seed=3, flash=tmp_path / "flash") as twin:
        link = PullableLink(twin.port_path, tmp_path)
        host = RunningHost(tmp_path, str(link.port), "[notify]\nenabled = true\n")
        try:
            host.start(environment={"TOMATO_NOTIFY_URLS": f"json://127.0.0.1:{phone.port}/"})
            until(lambda: host.status()["link"] == "up", "the link")
            for flap in range(1, FLAPS + 1):
                link.pull()
                until(lambda flap=flap: host.event_names().count("link_down") == flap, "the lost link")
                link.plug()
                until(lambda flap=flap: host.event_names().count("link_up") == flap + 1, "the link")
            until(lambda: len(phone.got) >= 2, "the messages")
            time.sleep(1.0)
            about_link = [str(m["message"]) for m in phone.got if "board does not answer" in str(m["message"]).lower()]
            assert len(about_link) == 2, phone.got
            assert about_link[1].startswith("Recovered"), "the reader is not left with a wrong impression"
            assert len(phone.got) <= 4, phone.got
            host.stop()
            host.assert_whole()
        finally:
            host.end()
            link.close()
            phone.server.shutdown()
            phone.server.server_close()
