"""The server with trunks and routes, called by sipp: who may call, where a call goes, and what operators see of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.server import Server, demo
from voicebot.paths import ROOT

pytestmark = [pytest.mark.peer("sipp", "tshark"), pytest.mark.models]

TRUNK = "title: Here\npeers: [127.0.0.1]\nto: 127.0.0.1:9\ntrusted: true\n"
ROUTES = """\
routes:
  - name: busy line
    when: {to: "999"}
    answer: 486 Busy Here
  - name: sales
    when: {to: "4711"}
    flow: sales
else: {flow: northwind}
"""


@dataclass(frozen=True)
class Gateway:
    server: Server
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.http_port}"

    def call(self, number: str, *options: str) -> int:
        """A call by sipp; its exit status."""
        command = ["sipp", "-sn", "uac", f"127.0.0.1:{self.server.sip_port}", "-s", number, "-m", "1", "-d", "600"]
        return subprocess.run(
            [*command, "-nostdin", *options], cwd=self.folder, capture_output=True, timeout=30
        ).returncode

    def trunk(self, *words: str) -> str:
        command = [sys.executable, "-m", "voicebot", "trunk", *words, "--url", self.url]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def metrics(self) -> list[str]:
        with urllib.request.urlopen(f"{self.url}/metrics") as answer:
            return str(answer.read().decode()).splitlines()

    def flow_of_last_call(self) -> str:
        return str(self.server.last_call()["call"]["flow"])


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("edge")
    (folder / "trunks").mkdir()
    (folder / "trunks" / "here.yaml").write_text(TRUNK)
    (folder / "routes.yaml").write_text(ROUTES)
    flow = (ROOT / "dialogs" / "northwind.yaml").read_text()
    (folder / "sales.yaml").write_text(flow.replace("flow: northwind", "flow: sales", 1))
    (folder / "sales.actions.yaml").write_text((ROOT / "dialogs" / "northwind.actions.yaml").read_text())
    text = (ROOT / "voicebot.yaml").read_text().replace("dialogs/", f"{ROOT}/dialogs/")
    text = text.replace("sip:\n", "flows: {sales: sales.yaml}\nsip:\n  trunks: trunks\n  routes: routes.yaml\n"
                        "  trace_rtp: 1000\n", 1)  # fmt: skip
    (folder / "voicebot.yaml").write_text(text)
    with demo(folder / "data", "-c", str(folder / "voicebot.yaml")) as server:
        yield Gateway(server, folder)


def test_the_called_number_chooses_the_dialog(gateway: Gateway) -> None:
    assert gateway.call("4711") == 0
    assert gateway.flow_of_last_call() == "sales"
    assert gateway.call("30123") == 0
    assert gateway.flow_of_last_call() == "northwind"


def test_a_route_refuses_with_its_own_answer_and_it_is_counted_by_trunk(gateway: Gateway) -> None:
    assert gateway.call("999") != 0
    assert any(
        line.startswith("voicebot_sip_calls_total{") and 'status="486"' in line and 'trunk="here"' in line
        for line in gateway.metrics()
    )


def test_new_routes_are_taken_at_the_next_call_and_wrong_ones_are_not(gateway: Gateway) -> None:
    routes = gateway.folder / "routes.yaml"
    routes.write_text("routes: [{name: broken, when: {too: 1}, flow: northwind}]\nelse: {flow: northwind}\n")
    time.sleep(2.1)  # the server looks at the file no more often
    assert gateway.call("4711") == 0
    assert gateway.flow_of_last_call() == "sales"
    routes.write_text(ROUTES.replace("4711", "4712"))
    time.sleep(2.1)
    assert gateway.call("4711") == 0
    assert gateway.flow_of_last_call() == "northwind"
    routes.write_text(ROUTES)


def test_the_doctor_shows_a_call_of_the_running_server(gateway: Gateway) -> None:
    assert gateway.call("30123") == 0
    ladder = gateway.trunk("ladder", "last")
    assert "INVITE" in ladder and "agreed on PCMU" in ladder and "rule else" in ladder
    gateway.trunk("pcap", "last", "-o", str(gateway.folder / "call.pcap"))
    command = ["tshark", "-r", str(gateway.folder / "call.pcap"), "-T", "fields", "-e", "_ws.col.Protocol"]
    seen = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert seen.count("SIP") + seen.count("SIP/SDP") == 6 and seen.count("RTP") > 20
    assert "here" in gateway.trunk("state")
    with pytest.raises(subprocess.CalledProcessError):
        gateway.trunk("ladder", "nonsense")


def test_the_doctor_speaks_to_this_machine_only(gateway: Gateway) -> None:
    forwarded = urllib.request.Request(f"{gateway.url}/trunk/state", headers={"X-Forwarded-For": "203.0.113.9"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(forwarded)
    refused.value.close()
    assert refused.value.code == 403
    with urllib.request.urlopen(f"{gateway.url}/trunk/state") as answer:
        assert json.loads(answer.read())["trunks"][0]["trunk"] == "here"


def test_nobody_else_may_call_where_there_are_trunks(gateway: Gateway) -> None:
    """From 127.0.0.2, which is in no trunk; the answer is the same for any number."""
    answers = []
    for number in ("30123", "nonsense"):
        assert gateway.call(number, "-i", "127.0.0.2", "-trace_err") != 0
        answers.append("403" in "".join(path.read_text() for path in gateway.folder.glob("uac_*_errors.log")))
    assert answers == [True, True]
