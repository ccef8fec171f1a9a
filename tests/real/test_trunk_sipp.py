"""sipp as registrar, as PBX with digest both ways (by the example file), and as a carrier that is full or half dead."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from telephony.agent import IncomingCall
from telephony.events import CallSetUp
from telephony.leg import LegError
from telephony.sip.message import parse_uri

from .programs import PATIENCE_S
from .sippscript import Script, sdp
from .siprun import sipp
from .trunkrun import edit, example, site

pytestmark = pytest.mark.peer("sipp")

CHALLENGE = 'WWW-Authenticate: Digest realm="lab", nonce="n1", algorithm=MD5, qop="auth"'


def script(folder: Path, name: str, steps: Script) -> str:
    (folder / name).mkdir()
    return steps.write(folder / name)


def written(folder: Path, text: str, name: str = "acme") -> Path:
    folder = folder / "trunks"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(text)
    return folder


def registering(folder: Path, *ports: int) -> Path:
    registrars = "".join(f"    - 127.0.0.1:{port}\n" for port in ports)
    text = f"register:\n  user: bot\n  password: secret\n  expires_s: 60\n  registrars:\n{registrars}transport: udp\n"
    return written(folder, text)


async def hang_up_after(incoming: IncomingCall) -> None:
    leg = await incoming.answer()
    await leg.closed


async def test_challenge_423_short_grants_and_farewell(tmp_path: Path) -> None:
    """sipp insists on the digest, on 90 s after its 423, on a refresh within the 2 s that it grants, and on 0 at the
    end; the nonce count goes up."""
    steps = Script().wanted("REGISTER", header=("Expires", "^ *60$")).reply("401 Unauthorized", extra=CHALLENGE)
    steps.wanted("REGISTER", header=("Authorization", 'username="bot".*nc=00000001'))
    steps.reply("423 Interval Too Brief", extra="Min-Expires: 90")
    steps.wanted("REGISTER", header=("Expires", "^ *90$")).reply("200 OK", extra="Expires: 2")
    steps.wanted("REGISTER", header=("Authorization", "nc=00000003")).reply("200 OK", extra="Expires: 600")
    steps.wanted("REGISTER", header=("Expires", "^ *0$")).reply("200 OK")
    async with sipp(script(tmp_path, "registrar", steps)) as registrar:
        async with site(registering(tmp_path, registrar.port)) as place:
            await place.until("registered", "registered")
        await registrar.ended()


async def test_a_registrar_that_says_503_is_left_for_the_next(tmp_path: Path) -> None:
    busy = Script().wanted("REGISTER").reply("503 Service Unavailable", extra="Retry-After: 600")
    good = Script().wanted("REGISTER").reply("200 OK", extra="Expires: 600").wanted("REGISTER").reply("200 OK")
    async with sipp(script(tmp_path, "busy", busy)) as first, sipp(script(tmp_path, "good", good)) as second:
        async with site(registering(tmp_path, first.port, second.port)) as place:
            await place.until("registered")
            assert str(second.port) in place.book.states()[0].why
        await first.ended()
        await second.ended()


async def test_retry_after_of_the_only_registrar_is_obeyed(tmp_path: Path) -> None:
    steps = Script().wanted("REGISTER").reply("503 Service Unavailable", extra="Retry-After: 5")
    steps.wanted("REGISTER").reply("200 OK").wanted("REGISTER").reply("200 OK")
    async with sipp(script(tmp_path, "registrar", steps)) as registrar:
        async with site(registering(tmp_path, registrar.port)) as place:
            await place.until("down")
            began_s = asyncio.get_running_loop().time()
            await place.until("down", "registered")
            assert 4.5 <= asyncio.get_running_loop().time() - began_s <= 6
        await registrar.ended()


@pytest.fixture
def pbx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example of a PBX, at this machine."""
    monkeypatch.setenv("PBX_PASSWORD", "secret")
    (tmp_path / "trunks").mkdir()
    changes = {"- 192.0.2.10 ": "- 127.0.0.1 ", "user: voicebot": "user: bot"}
    return example("pbx", tmp_path / "trunks", changes)


async def test_the_pbx_of_the_example_calls_us_with_its_password(pbx: Path, tmp_path: Path) -> None:
    proof = '[authentication username="pbx" password="secret"]'
    steps = Script().send("INVITE", sdp()).expect(401).ack(refused=True)
    steps.send("INVITE", sdp(), extra=proof).expect(200).ack().pause(200).bye()
    edit(pbx, ("# digest: [MD5] ", "digest: [MD5] "))  # sipp knows nothing else, and reads only the first challenge
    async with site(pbx.parent, hang_up_after) as place:
        port = place.agent.port
        digest_uri = ["-auth_uri", f"bot@127.0.0.1:{port}"]  # sipp does not take it from the request by itself
        async with sipp(script(tmp_path, "caller", steps), to=port, options=digest_uri) as caller:
            await caller.ended()
        assert [one.trunk for one in place.events if isinstance(one, CallSetUp)] == ["pbx"]
        assert not place.refusals


async def test_the_pbx_of_the_example_is_called_with_our_password(pbx: Path) -> None:
    """sipp checks the digest itself."""
    async with sipp("uas_digest") as called:
        edit(pbx, ("192.0.2.10:5060", f"127.0.0.1:{called.port}"), ("options_every_s: 15", "options_every_s: 0"))
        async with site(pbx.parent) as place:
            leg = await place.agent.call("sip:100@pbx")
            await leg.hang_up()
            await called.ended()
            with pytest.raises(LegError) as caught:
                await place.agent.call("sip:300@pbx")
            assert caught.value.status == 403
            with pytest.raises(LegError) as caught:
                await place.agent.call("sip:200@pbx")
            assert "not registered" in caught.value.reason


async def test_a_full_trunk_says_503_with_retry_after_and_others_are_not_known(tmp_path: Path) -> None:
    folder = written(tmp_path, "peers: 127.0.0.1\nmax_calls: 0\n")
    async with site(folder, hang_up_after) as place:
        async with sipp("refused", to=place.agent.port) as caller:
            await caller.ended()
        assert place.refusals == ["calls"]
    folder = written(tmp_path, "peers: 192.0.2.1\n")
    stranger = Script().send("INVITE", sdp()).expect(403).ack(refused=True)
    async with site(folder, hang_up_after) as place:
        async with sipp(script(tmp_path, "stranger", stranger), to=place.agent.port) as caller:
            await caller.ended()
        assert place.refusals == ["unlisted"]


async def test_options_find_out_which_server_is_dead_and_404_counts_as_alive(
    tmp_path: Path, unused_udp_port: int
) -> None:
    alive = Script().wanted("OPTIONS").reply("404 Not Found")
    async with sipp(script(tmp_path, "alive", alive), calls=100) as server:
        folder = written(
            tmp_path,
            f"to: ['127.0.0.1:{unused_udp_port}', '127.0.0.1:{server.port}']\ntransport: udp\noptions_every_s: 1\n",
        )
        async with site(folder) as place:
            await place.until("up")
            trunk = place.book.get("acme")
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    ways = await place.book.next_hops(trunk, parse_uri("sip:1@acme"))
                    if ways[0].hop.port == server.port:
                        break
                    await asyncio.sleep(0.1)
            assert [way.hop.port for way in ways] == [server.port, unused_udp_port]
            assert str(ways[0].uri) == f"sip:1@127.0.0.1:{server.port}"
            assert place.states == ["up"] and place.book.states()[0].health == "up"


async def test_a_trunk_without_any_answer_is_down(tmp_path: Path, unused_udp_port: int) -> None:
    folder = written(tmp_path, f"to: 127.0.0.1:{unused_udp_port}\ntransport: udp\noptions_every_s: 1\n")
    async with site(folder) as place:
        await place.until("down")
