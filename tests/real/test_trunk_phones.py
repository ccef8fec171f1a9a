"""linphone registers with us by the PBX example, is called as sip:200@pbx, and calls us with its password."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from telephony.agent import IncomingCall
from telephony.events import CallSetUp
from telephony.leg import LegError

from .linphone import linphone
from .programs import PATIENCE_S, free_port, free_ports, until
from .trunkrun import Site, example, site

pytestmark = pytest.mark.peer("linphonec")


@pytest.fixture
def trunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example, with this machine as the network of the phones."""
    monkeypatch.setenv("PBX_PASSWORD", "secret")
    folder = tmp_path / "trunks"
    folder.mkdir()
    example("pbx", folder, {"192.0.2.128/25 ": "127.0.0.0/8 ", "options_every_s: 15 ": "options_every_s: 0 "})
    return folder


def settings(transport: str) -> dict[str, dict[str, object]]:
    ports = {"sip_port": 0, "sip_tcp_port": 0, "sip_tls_port": 0}
    ports["sip_port" if transport == "udp" else "sip_tcp_port"] = free_port()
    sip = {**ports, "guess_hostname": 0, "contact": "sip:200@127.0.0.1"}
    return {"sip": sip, "rtp": {"audio_rtp_port": free_ports(4)[0]}}


async def devices(place: Site, wanted: int) -> None:
    """Wait until so many are registered."""
    try:
        await until(lambda: place.book.states()[0].devices == wanted)
    except TimeoutError:
        raise AssertionError(f"{place.book.states()} instead of {wanted} devices") from None


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_phone_registers_is_called_calls_and_leaves(trunks: Path, tmp_path: Path, transport: str) -> None:
    came: list[IncomingCall] = []

    async def answer(incoming: IncomingCall) -> None:
        came.append(incoming)
        leg = await incoming.answer()
        leg.play(np.zeros(8000, np.int16))
        await leg.closed

    async with site(trunks, answer) as place:
        port = place.agent.port
        with pytest.raises(LegError) as caught:
            await place.agent.call("sip:200@pbx")
        assert "not registered" in caught.value.reason
        phone = linphone(tmp_path / "phone", settings(transport), (), "-a")
        async with phone as desk:
            proxy = f"sip:127.0.0.1:{port};transport={transport}"
            await desk.tell(f"register sip:200@127.0.0.1:{port} {proxy} secret")
            await devices(place, 1)
            await desk.look("status register", "registered, identity=sip:200@127.0.0.1")
            assert not place.refusals

            leg = await place.agent.call("sip:200@pbx", ring_s=PATIENCE_S)
            said = tmp_path / "said.wav"
            soundfile.write(said, np.full(16000, 3000, np.int16), 8000)
            await desk.tell(f"play {said}")
            await until(lambda: leg.stats().packets_received > 10 and leg.stats().packets_sent > 10)
            await leg.hang_up()

            await desk.ask(f"call sip:bot@127.0.0.1:{port}", "connected")
            assert [(one.trunk.name if one.trunk else "", one.user) for one in came] == [("pbx", "200")]
            await desk.tell("terminate")
            await desk.tell("unregister")
            await devices(place, 0)
        answers = [(one.incoming, one.status) for one in place.events if isinstance(one, CallSetUp)]
        assert answers.count((False, 200)) == 1 and answers.count((True, 200)) == 1


async def test_a_phone_with_a_wrong_password_stays_outside(trunks: Path, tmp_path: Path) -> None:
    async with site(trunks) as place, linphone(tmp_path / "phone", settings("udp")) as desk:
        port = place.agent.port
        await desk.ask(f"register sip:200@127.0.0.1:{port} sip:127.0.0.1:{port} wrong", "[Ff]ailed|failure|Password")
        assert place.book.states()[0].devices == 0
        assert set(place.refusals) == {"digest"}
