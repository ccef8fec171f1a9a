"""Certificates that we show, and what we ask of others'."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509

from telephony.sip import tls
from telephony.sip.listen_sockets import ListenConfig
from telephony.sip.tls import ReloadingContext, TlsClient, TlsError, TlsServer, TlsSession, names_of, why
from telephony.sip.transport import Transport
from tests.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def named(path: Path) -> tuple[str, ...]:
    return names_of(x509.load_pem_x509_certificate(path.read_bytes()))


def test_sip_uris_without_user_dns_names_and_addresses_are_whom_a_certificate_speaks_for(authority: Authority) -> None:
    """RFC 5922 section 7.1."""
    cert, _ = authority.issue(
        "names",
        common="ignored.example",
        dns=["Proxy.Example.com"],
        uris=["sip:example.com", "sip:ann@example.com", "https://web.example.com", "sip:phone.example;transport=tls"],
        ips=["192.0.2.1", "2001:db8::1"],
    )
    assert named(cert) == ("proxy.example.com", "example.com", "phone.example", "192.0.2.1", "2001:db8::1")


def test_the_common_name_counts_only_without_alternative_names(authority: Authority) -> None:
    assert named(authority.issue("common", common="old.example")[0]) == ("old.example",)


@pytest.mark.parametrize(
    ("wanted", "speaks"),
    [
        ("carrier.example", True),
        ("CARRIER.example.", True),
        ("sip.carrier.example", False),
        ("a.trunk.example.com", True),
        ("a.b.trunk.example.com", False),
        ("trunk.example.com", False),
        ("evil.example.com", False),
        ("a.com", False),
        ("192.0.2.1", True),
        ("[2001:db8:0::1]", True),
        ("192.0.2.2", False),
    ],
)
def test_a_certificate_speaks_for_the_whole_name_or_a_star_for_one_label(wanted: str, speaks: bool) -> None:
    names = ("carrier.example", "*.trunk.example.com", "*.com", "*.0.2.2", "192.0.2.1", "2001:db8::1")
    assert TlsSession("TLSv1.3", "", True, names=names).speaks_for(wanted) is speaks


def test_no_old_tls_and_no_cipher_without_forward_secrecy(authority: Authority) -> None:
    context = ReloadingContext(TlsServer(*authority.issue("own"))).get(0)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    ciphers = [cipher["name"] for cipher in context.get_ciphers()]
    assert ciphers
    assert all(name.startswith(("TLS_", "ECDHE-", "DHE-")) for name in ciphers)
    assert not any("CBC" in name or "SHA1" in name or name.endswith("-SHA") for name in ciphers)


def test_callers_are_asked_for_a_certificate_only_where_an_authority_is_named(authority: Authority) -> None:
    cert, key = authority.issue("own")
    assert ReloadingContext(TlsServer(cert, key)).get(0).verify_mode == ssl.CERT_NONE
    assert ReloadingContext(TlsServer(cert, key, authority.ca)).get(0).verify_mode == ssl.CERT_REQUIRED


def test_a_client_believes_the_system_or_its_own_authority_and_nobody_else(authority: Authority) -> None:
    assert ReloadingContext(TlsClient()).get(0).verify_mode == ssl.CERT_REQUIRED
    assert len(ReloadingContext(TlsClient(ca=authority.ca)).get(0).get_ca_certs()) == 1
    assert ReloadingContext(TlsClient(verify=False)).get(0).verify_mode == ssl.CERT_NONE


def test_new_files_are_taken_without_a_restart_and_broken_ones_are_not(authority: Authority) -> None:
    cert, key = authority.issue("renewed")
    context = ReloadingContext(TlsServer(cert, key))
    first = context.get(0.0)
    assert context.get(5.0) is first
    authority.issue("renewed")
    os.utime(cert, ns=(1, 1))
    assert context.get(5.5) is first  # looked at once a second at most
    second = context.get(7.0)
    assert second is not first
    key.write_text("half a file")
    assert context.get(9.0) is second
    authority.issue("renewed")
    assert context.get(11.0) is not second


def test_what_is_wrong_with_new_files_is_said_once(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    cert, key = authority.issue("broken")
    context = ReloadingContext(TlsServer(cert, key))
    context.get(0.0)
    key.write_text("half a file")
    for second in range(1, 100):
        context.get(2.0 * second)
    key.unlink()
    context.get(300.0)
    complaints = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(complaints) == 2 and context.current is context.get(301.0)


def test_who_a_certificate_is_for_and_how_long_it_is_good_is_known(authority: Authority) -> None:
    context = ReloadingContext(TlsServer(*authority.issue("days", dns=["bot.example"], to_days=20)))
    with pytest.raises(TlsError, match="was not read yet"):
        assert context.current
    context.get(0.0)
    assert context.shown is not None and context.shown.names == ("bot.example",)
    assert 19.9 < context.shown.days_left < 20.1


async def test_files_are_read_in_a_thread_and_the_next_caller_is_shown_the_new_certificate(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "RECHECK_S", 0.01)
    threads: set[bool] = set()
    build = tls._build

    def note(settings: TlsServer | TlsClient) -> ssl.SSLContext:
        threads.add(threading.current_thread() is threading.main_thread())
        return build(settings)

    monkeypatch.setattr(tls, "_build", note)
    shown: asyncio.Queue[float] = asyncio.Queue()
    cert, key = authority.issue("watched", to_days=5)
    listening = ListenConfig(("127.0.0.1",), 0, tls=TlsServer(cert, key), tls_port=0)
    transport = Transport(
        listening,
        lambda data, hop: None,
        lambda hop, quoted: None,
        lambda host, data: True,
        lambda certificate: shown.put_nowait(certificate.days_left),
    )
    await transport.start()
    async with asyncio.timeout(30):
        assert 4 < await shown.get() < 6
        authority.issue("watched", to_days=90)
        assert 89 < await shown.get() < 91
    await transport.close()
    assert threads == {False}


def test_files_that_cannot_be_used_are_refused_in_words(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.issue("one")
    other = authority.issue("two")[1]
    text = tmp_path / "text.pem"
    text.write_text("hello")
    for settings, words in [
        (TlsServer(cert, other), "the key is not that of the certificate"),
        (TlsServer(text, key), "no PEM pair"),
        (TlsServer(tmp_path / "none.pem", key), "none.pem cannot be read: No such file"),
        (TlsServer(cert, key, text), "holds no certificates"),
        (TlsClient(ca=tmp_path / "none.pem"), "cannot be read"),
    ]:
        with pytest.raises(TlsError, match=words):
            ReloadingContext(settings).get(0)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path: Path, authority: Authority) -> None:
    from cryptography.hazmat.primitives import serialization

    cert, key = authority.issue("locked")
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    key.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    with pytest.raises(TlsError, match="passphrase"):
        ReloadingContext(TlsServer(cert, key)).get(0)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (ConnectionResetError(), "the peer closed the connection"),
        (ConnectionAbortedError("SSL handshake is taking longer"), "the TLS handshake did not end in time"),
        (TimeoutError(), "in time"),
        (TlsError("its certificate is for a, not for b"), "its certificate is for a, not for b"),
    ],
)
def test_failures_have_words(error: OSError, words: str) -> None:
    assert words in why(error)
