"""SIP over TLS on real sockets: what callers may do, and whom we believe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from telephony.sip import connection, transport
from telephony.sip.endpoint import Endpoint, ListenConfig, TlsClient, TlsServer
from telephony.sip.hop import Hop
from tests.certificates import Authority

from .answering import Polite, answering, ask, assert_answers, options
from .programs import PATIENCE_S, until
from .siprun import wire
from .test_sip_wire import assert_alive


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> TlsServer:
    return TlsServer(*authority.issue("server", dns=["bot.example"], ips=["127.0.0.1"]))


@contextlib.asynccontextmanager
async def tls_server(own: TlsServer) -> AsyncIterator[tuple[Endpoint, Polite]]:
    async with answering(ListenConfig(port=0, tls=own, tls_port=0)) as both:
        yield both


async def stream(port: int, authority: Authority | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TLS client of the standard library; believes anybody without `authority`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        context.load_verify_locations(authority.ca)
    return await asyncio.open_connection("127.0.0.1", port, ssl=context)


# ── what callers may do: acceptance 5 and 6 ──


async def test_pieces_of_one_byte_and_ten_in_one_piece_and_keepalives_work(
    own: TlsServer, authority: Authority
) -> None:
    async with tls_server(own) as (endpoint, user):
        reader, writer = await stream(endpoint.tls_port, authority)
        for byte in options(0):
            writer.write(bytes([byte]))  # each a TLS record of its own
            await asyncio.sleep(0)
        await assert_answers(reader, range(1))
        writer.write(b"".join(options(n) for n in range(10, 20)))
        await assert_answers(reader, range(10, 20))
        writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(reader.readexactly(2), PATIENCE_S) == b"\r\n"
        _, source = user.requests[0]
        assert source.protocol == "tls"
        assert endpoint.contact(source) == f"<sip:127.0.0.1:{endpoint.tls_port};transport=tls>"
        assert endpoint.contact(source, "bot", secure=True) == f"<sips:bot@127.0.0.1:{endpoint.tls_port}>"
        assert endpoint.via(source) == f"TLS 127.0.0.1:{endpoint.tls_port}"
        writer.close()


@pytest.mark.parametrize(
    "data",
    [
        options(0)[:-4] + b"\r\nX: " + b"y" * 70_000,
        options(0).replace(b"Length: 0", b"Length: -1"),
        options(0).replace(b"Length: 0", b"Length: " + b"9" * 40),
        options(0).replace(b"Content-Length: 0\r\n", b""),
    ],
    ids=["header", "negative", "endless", "none"],
)
async def test_a_stream_that_cannot_be_followed_is_closed_at_once(
    own: TlsServer, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STALLED_S", 1000)  # so waiting for the rest would not be enough
    async with tls_server(own) as (endpoint, _):
        reader, writer = await stream(endpoint.tls_port)
        writer.write(data)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
        writer.close()


async def test_a_begun_message_that_does_not_end_is_closed_within_5_s_or_so(
    own: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connection.STALLED_S + transport.SWEEP_S <= 6
    monkeypatch.setattr(transport, "SWEEP_S", 0.1)
    async with tls_server(own) as (endpoint, _):
        ends = []
        for data in (options(0).replace(b"Length: 0", b"Length: 500"), b"GET / HT"):
            reader, writer = await stream(endpoint.tls_port)
            writer.write(data)
            ends.append((reader, writer))
        for reader, writer in ends:
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 6.5) == b""
            writer.close()


async def test_200_idle_connections_do_not_keep_out_another(own: TlsServer) -> None:
    async with tls_server(own) as (endpoint, _):
        idle = [await stream(endpoint.tls_port) for _ in range(200)]
        reader, writer = await stream(endpoint.tls_port)
        writer.write(options(1))
        await assert_answers(reader, range(1, 2))
        for _, one in [*idle, (reader, writer)]:
            one.close()


async def test_handshakes_that_do_not_end_are_cut_off_and_keep_nobody_out(
    own: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HANDSHAKE_S", 1000)
    async with tls_server(own) as (endpoint, _):
        hanging = [await asyncio.open_connection("127.0.0.1", endpoint.tls_port) for _ in range(300)]
        for _, writer in hanging[:100]:
            writer.write(b"\x16\x03\x01\x02\x00\x01")  # a ClientHello that goes no further
        polite = await asyncio.open_connection("127.0.0.1", endpoint.tls_port, local_addr=("127.0.0.8", 0))
        more = [await asyncio.open_connection("127.0.0.1", endpoint.tls_port) for _ in range(150)]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        await polite[1].start_tls(context)  # begun before 150 others, and still not cut off for them
        hanging += [*more, polite]
        reader, writer = await stream(endpoint.tls_port)
        writer.write(options(1))
        await assert_answers(reader, range(1, 2))
        polite[1].close()
        monkeypatch.setattr(connection, "HANDSHAKE_S", 0.5)
        for hung, one in hanging:
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(hung.read(), PATIENCE_S) == b""
            one.close()
        assert not endpoint._transport._pool.shaking
        writer.close()


async def test_closing_in_the_middle_of_handshakes_leaves_nothing(own: TlsServer) -> None:
    """Of callers, and our own to a server that says nothing."""
    before = set(os.listdir("/proc/self/fd"))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        async with tls_server(own) as (endpoint, _):
            hanging = [await asyncio.open_connection("127.0.0.1", endpoint.tls_port) for _ in range(5)]
            hanging[0][1].write(b"\x16\x03\x01\x02\x00\x01")
            asking = asyncio.create_task(ask(endpoint, Hop("tls", *silent.getsockname()), patience_s=0.3))
            await until(lambda: len(endpoint._transport._pool.shaking) == 6)
        for reader, writer in hanging:
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
            writer.close()
        with pytest.raises(TimeoutError):
            await asking
        await until(lambda: len(asyncio.all_tasks()) == 1)
    assert set(os.listdir("/proc/self/fd")) == before


async def test_plain_sip_on_the_tls_port_and_garbage_harm_nobody(own: TlsServer) -> None:
    async with tls_server(own) as (endpoint, user), wire(endpoint.port) as peer:
        for data in (options(1), os.urandom(2000), b"\x16\x03\x01\x00\x05hello", b""):
            reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.tls_port)
            writer.write(data)
            if data:
                with contextlib.suppress(ConnectionError):
                    await asyncio.wait_for(reader.read(), PATIENCE_S)
            writer.close()
        assert not user.requests
        await assert_alive(peer)


# ── versions: acceptance 31 ──


def old_hello(minor: int) -> bytes:
    """A ClientHello of TLS 1.<minor-1>, made by hand: OpenSSL of today does not send one."""
    ciphers = bytes.fromhex("c013c014c009c00a002f0035000a")
    extensions = bytes.fromhex("000a0006000400170018000b00020100")
    body = bytes([3, minor]) + os.urandom(32) + b"\0" + len(ciphers).to_bytes(2, "big") + ciphers + b"\x01\0"
    body += len(extensions).to_bytes(2, "big") + extensions
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(handshake).to_bytes(2, "big") + handshake


@pytest.mark.parametrize(("minor", "name"), [(0, "SSL 3"), (1, "TLS 1.0"), (2, "TLS 1.1")])
async def test_older_versions_get_the_alert_that_says_so(own: TlsServer, minor: int, name: str) -> None:
    async with tls_server(own) as (endpoint, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.tls_port)
        writer.write(old_hello(minor))
        answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
        writer.close()
        assert answer[0] == 0x15, name  # an alert
        assert answer[5:7] in (bytes([2, 70]), bytes([2, 40])), name  # protocol_version or handshake_failure, fatal


async def s_client(port: int, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "openssl", "s_client", "-connect", f"127.0.0.1:{port}", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"OPENSSL_CONF": "/dev/null"},
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return output.decode("latin-1")


@pytest.mark.peer("openssl")
@pytest.mark.parametrize(
    ("version", "words"),
    [
        (["-tls1"], "alert protocol version"),
        (["-tls1_1"], "alert protocol version"),
        (["-tls1_2"], "Cipher is ECDHE-ECDSA"),
        (["-tls1_3"], "Cipher is TLS_"),
    ],
)
async def test_openssl_is_let_in_with_1_2_and_1_3_only(own: TlsServer, version: list[str], words: str) -> None:
    async with tls_server(own) as (endpoint, _):
        output = await s_client(endpoint.tls_port, *version, "-cipher", "ALL:@SECLEVEL=0")
        assert words in output, output


@pytest.mark.peer("openssl")
async def test_a_caller_who_does_not_believe_us_is_in_the_log_with_his_reason(
    own: TlsServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "telephony.sip.connection")
    stranger = Authority(tmp_path, "Stranger")
    async with tls_server(own) as (endpoint, _):
        output = await s_client(endpoint.tls_port, "-CAfile", str(stranger.ca), "-verify_return_error")
        assert "unable to get local issuer certificate" in output
        await until(lambda: bool(caplog.records))
    (record,) = caplog.records
    assert vars(record)["why"] == "the peer does not know the authority of our certificate"
    assert vars(record)["peer"] == "127.0.0.1"


@pytest.mark.peer("openssl")
async def test_openssl_finds_nothing_weak_to_agree_on(own: TlsServer) -> None:
    async with tls_server(own) as (endpoint, _):
        for cipher in ("kRSA", "CBC", "SHA1", "aNULL", "eNULL", "3DES", "RC4"):
            output = await s_client(endpoint.tls_port, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
            assert "Cipher is (NONE)" in output or "no ciphers available" in output or "no cipher match" in output, (
                cipher + output
            )


async def test_a_server_that_knows_old_versions_only_is_not_talked_to(authority: Authority) -> None:
    """We as client; the other end takes nothing newer than TLS 1.1, and says so."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(2000)
        writer.write(bytes([0x15, 3, 2, 0, 2, 2, 70]))
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with answering() as (endpoint, _):
        hop = Hop("tls", "127.0.0.1", server.sockets[0].getsockname()[1])
        assert await ask(endpoint, hop) == 503
        assert endpoint.why(hop) == "the peer refuses our TLS versions (1.2 and 1.3)"
    server.close()


# ── certificates: whom we believe, and why not ──


@pytest.mark.parametrize(
    ("certificate", "name", "words"),
    [
        ({"dns": ["carrier.example"]}, "carrier.example", ""),
        ({"uris": ["sip:carrier.example"], "dns": ["sbc7.carrier.example"]}, "carrier.example", ""),
        ({"dns": ["*.carrier.example"]}, "sip.carrier.example", ""),
        ({"ips": ["127.0.0.1"]}, "", ""),
        ({"common": "carrier.example"}, "carrier.example", ""),
        ({"dns": ["evil.example"], "common": "carrier.example"}, "carrier.example", "is for evil.example, not for"),
        ({"uris": ["sip:ann@carrier.example"]}, "carrier.example", "is for nobody, not for carrier.example"),
        ({"dns": ["carrier.example"]}, "", "is for carrier.example, not for 127.0.0.1"),
        ({"dns": ["carrier.example"], "to_days": -0.5}, "carrier.example", "its certificate has expired"),
        ({"dns": ["carrier.example"], "from_days": 1}, "carrier.example", "its certificate is not valid yet"),
    ],
)
async def test_a_server_is_believed_when_its_certificate_names_whom_we_asked_for(
    authority: Authority, certificate: dict[str, object], name: str, words: str
) -> None:
    theirs = TlsServer(*authority.issue("theirs", **certificate))  # type: ignore[arg-type]
    async with tls_server(theirs) as (server, user), answering() as (endpoint, _):
        endpoint.profiles["carrier"] = TlsClient(ca=authority.ca)
        hop = Hop("tls", "127.0.0.1", server.tls_port, name=name, profile="carrier")
        assert await ask(endpoint, hop) == (503 if words else 200)
        assert words in endpoint.why(hop)
        assert len(user.requests) == (0 if words else 1)  # not a byte of SIP to the wrong one
        if not words:
            secured = endpoint.secured(hop)
            assert secured is not None
            assert (secured.version, secured.verified) == ("TLSv1.3", True)


async def test_an_unknown_authority_is_not_believed_but_by_those_who_ask_for_no_proof(
    own: TlsServer, tmp_path: Path
) -> None:
    async with tls_server(own) as (server, _), answering() as (endpoint, _):
        endpoint.profiles["stranger"] = TlsClient(ca=Authority(tmp_path, "Another").ca)
        endpoint.profiles["careless"] = TlsClient(verify=False)
        hop = Hop("tls", "127.0.0.1", server.tls_port, profile="stranger")
        assert await ask(endpoint, hop) == 503
        assert "the authority of its certificate is unknown" in endpoint.why(hop)
        system = Hop("tls", "127.0.0.1", server.tls_port)
        assert await ask(endpoint, system) == 503
        assert "the authority of its certificate is unknown" in endpoint.why(system)
        careless = Hop("tls", "127.0.0.1", server.tls_port, profile="careless")
        assert await ask(endpoint, careless) == 200
        assert not (endpoint.secured(careless) or pytest.fail("no connection")).verified
        assert await ask(endpoint, hop) == 503  # the careless one's connection is not there for others
        unknown = Hop("tls", "127.0.0.1", server.tls_port, profile="none")
        assert await ask(endpoint, unknown) == 503
        assert endpoint.why(unknown) == "there is no TLS profile 'none'"


async def test_a_server_may_demand_a_certificate_of_ours(authority: Authority, tmp_path: Path) -> None:
    demanding = TlsServer(*authority.issue("demanding", ips=["127.0.0.1"]), authority.ca)
    async with tls_server(demanding) as (server, user), answering() as (endpoint, _):
        endpoint.profiles["bare"] = TlsClient(ca=authority.ca)
        endpoint.profiles["shown"] = TlsClient(authority.ca, *authority.issue("client", dns=["bot.example"]))
        endpoint.profiles["foreign"] = TlsClient(authority.ca, *Authority(tmp_path, "Foreign").issue("f", dns=["x.y"]))
        bare = Hop("tls", "127.0.0.1", server.tls_port, profile="bare")
        assert await ask(endpoint, bare) == 503
        assert endpoint.why(bare) == "the peer wants a certificate of ours (`cert` and `key`)"
        foreign = Hop("tls", "127.0.0.1", server.tls_port, profile="foreign")
        assert await ask(endpoint, foreign) == 503
        assert endpoint.why(foreign) == "the peer does not know the authority of our certificate"
        assert not user.requests
        assert await ask(endpoint, Hop("tls", "127.0.0.1", server.tls_port, profile="shown")) == 200
        secured = server.secured(user.requests[0][1])
        assert secured is not None
        assert (secured.verified, secured.names) == (True, ("bot.example",))


async def test_a_renewed_certificate_is_shown_to_the_next_caller_while_the_old_call_goes_on(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telephony.sip.tls.RECHECK_S", 0.05)
    cert, key = authority.issue("short", ips=["127.0.0.1"], to_days=1)
    async with tls_server(TlsServer(cert, key)) as (server, _):
        reader, writer = await stream(server.tls_port, authority)
        before = writer.get_extra_info("peercert")["notAfter"]
        key.write_text("half a file")
        await asyncio.sleep(0.2)
        _, still = await stream(server.tls_port, authority)
        assert still.get_extra_info("peercert")["notAfter"] == before
        still.close()
        authority.issue("short", ips=["127.0.0.1"], to_days=90)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                _, second = await stream(server.tls_port, authority)
                if second.get_extra_info("peercert")["notAfter"] != before:
                    break
                second.close()
        writer.write(options(1))
        await assert_answers(reader, range(1, 2))
        writer.close()
        second.close()


async def test_nothing_but_tls_answers_at_a_tls_hop(own: TlsServer) -> None:
    """Acceptance 31: a plain server at the other end gets a ClientHello and not a word of SIP."""
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(2000))
        writer.write(b"SIP/2.0 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with answering() as (endpoint, _):
        hop = Hop("tls", "127.0.0.1", server.sockets[0].getsockname()[1])
        assert await ask(endpoint, hop) == 503
        assert endpoint.why(hop) == "the peer does not speak TLS on this port"
        assert heard[0] == 0x16 and b"OPTIONS" not in heard
    server.close()


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
async def test_a_request_for_a_sips_uri_never_leaves_by_anything_but_tls(protocol: str) -> None:
    """Acceptance 31, whatever hop somebody puts together."""
    async with answering() as (server, user), answering() as (endpoint, _):
        hop = Hop("tcp" if protocol == "tcp" else "udp", "127.0.0.1", server.port)
        assert await ask(endpoint, hop, "sips:bot@127.0.0.1") == 503
        assert endpoint.why(hop) == f"a sips: request is not sent by {protocol.upper()}"
        assert await ask(endpoint, hop, "sip:bot@127.0.0.1") == 200
        assert [str(request.uri) for request, _ in user.requests] == ["sip:bot@127.0.0.1"]
        assert endpoint.why(hop) == ""
        assert not len(endpoint._transactions) or all(t.final for t in endpoint._transactions._live.values())
