"""Trunk files: what is refused, on which line and with which remedy; what is read, and what is never shown."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from telephony.call_policy import SessionTimerPolicy, Terms
from telephony.trunk.load import load, load_one, signature
from telephony.trunk.model import Trunk
from telephony.yaml_problems import SourceError


def written(folder: Path, text: str, name: str = "acme") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str) -> Trunk:
    return load_one(written(folder, text))


def assert_refused(folder: Path, text: str, line: int, words: str) -> None:
    """Exactly one problem, on that line, with those words in it or in its remedy, and with a remedy."""
    written(folder, text)
    with pytest.raises(SourceError) as caught:
        load(folder)
    problems = caught.value.problems
    assert len(problems) == 1, problems
    assert problems[0].line == line, problems[0]
    assert words in str(problems[0])


def pair(folder: Path, name: str, days: int = 30) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=60))
        .not_valid_after(now + datetime.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.crt", folder / f"{name}.key"
    files[0].write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return files


def test_a_small_file_is_a_whole_trunk(tmp_path: Path) -> None:
    trunk = read(tmp_path, "peers: 192.0.2.1\n")
    assert trunk.name == "acme"
    assert trunk.terms == Terms(trunk="acme")


def test_what_the_file_says_of_calls_becomes_their_terms(tmp_path: Path) -> None:
    text = "to: pbx.example.net\ncodecs: [opus, PCMA]\nsrtp: sdes\nkeys: info\nptime_ms: 30\nreliable: required\n"
    text += "session_timer:\n  expires_s: 600\ncomfort_noise_dbov: null\nno_media_s: 8\nredirects: 2\nrefer_in: true\n"
    assert read(tmp_path, "to: pbx\nsymmetric: true\nsrtp: optional\n").terms == Terms("acme", symmetric=True)
    assert read(tmp_path, text).terms == Terms(
        "acme", ("opus", "PCMA"), "sdes", "info", 30, SessionTimerPolicy(600), "required", None, 8.0, 2, True
    )
    assert read(tmp_path, "to: pbx\nsession_timer: off\n").terms.timer.expires_s == 0


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("peers: 192.0.2.1\npears: 1\n", 2, "unknown key"),
        ("peers: 192.0.2.1\nregister:\n  user: a\n  password: x\n  regstrars: b\n", 5, "unknown key"),
        ("peers: 192.0.2.1\nsrtp: yes\n", 2, "'off', 'optional', 'sdes' or 'dtls'"),
        ("to: a\ncodecs: [PCMA, G729]\n", 2, "'PCMU', 'PCMA', 'G722' or 'opus'"),
        ("to: a\ncodecs: [PCMA, PCMA]\n", 2, "listed twice"),
        ("to: a\nmax_calls: many\n", 2, "integer"),
        ("to: a\nsymmetric: maybe\n", 2, "boolean"),
        ("to: a\nsrtp: sdes\nsymmetric: true\n", 3, "known by the key"),
        ("to: a\nno_media_s: 0\n", 2, "greater than or equal to 2"),
        ("peers: [192.0.2.1, 192.0.2.300]\n", 1, "write 203.0.113.7"),
        ("peers: 192.0.2.1:99999\n", 1, "port out of range"),
        ("peers: [192.0.2.1, 192.0.2.1]\n", 1, "remove one"),
        ("peers: sips 192.0.2.1\n", 1, "no address"),
        ("to: http://example.net\n", 1, "sip:HOST"),
        ("to: 'sip:a b'\n", 1, "must be a SIP URI"),
        ("to: sip:a;transport=sctp\n", 1, "use udp, tcp or tls"),
        ("to: sip:a:0\n", 1, "Port Out Of Range"),
        ("title: nothing\n", 1, "add peers, users, register or to"),
        ("peers: 192.0.2.1\ndestinations: ['*']\n", 2, "add `to`"),
        ("to: sips:a\ntransport: udp\n", 1, "sips URI over UDP"),
        ("to:\n  - b\n  - sips:a\ntransport: tcp\n", 3, "never taken down"),
        ("to: sip:a;transport=tcp\ntransport: tls\n", 1, "remove one of the two"),
        ("to: a\noutbound_proxy: sip:p;transport=tcp\ntransport: udp\n", 2, "remove one of the two"),
        ("to: a\ntransport: udp\ntls:\n  verify: false\n", 3, "take transport tls"),
        ("register:\n  user: a\n  password: x\n", 1, "add register.registrars"),
        ("to: a\nregister:\n  user: a\n", 2, "add 'password'"),
        ("to: a\nregister:\n  user: 'a b'\n  password: x\n", 3, "user part"),
        ("accept_registrations: {}\npeers: 192.0.2.1\n", 1, "add users"),
        ("users: {a: x}\naccept_registrations:\n  min_expires_s: 600\n  max_expires_s: 60\n", 3, "exchange"),
        ("peers: 192.0.2.1\nverstat: true\n", 2, "trusted: true"),
        ("to: a\ncaller_id:\n  private: true\n", 2, "caller_id.user"),
        ("to: a\nsession_timer:\n  expires_s: 30\n", 2, "RFC 4028"),
        ("to: a\nsession_timer:\n  expires_s: 100\n  min_s: 200\n", 2, "exchange"),
        ("to: a\nadvertise: sip.example.net\n", 2, "203.0.113.20"),
        ("to: a\nheaders:\n  Contact: x\n", 2, "ours to set"),
        ('to: a\nheaders:\n  X-A: "b\\r\\nVia: c"\n', 2, "one line"),
        ("to: a\ntls:\n  cert: a.pem\n", 2, "key is missing"),
        ("to: a\ntls:\n  ca: none.pem\n", 3, "No such file"),
        ("name: other\npeers: 192.0.2.1\n", 1, "the name of the file is the name"),
        ("- a\n", 1, "begin with a line"),
        ("to: a\nusers:\n  b: 0x\n  c: 1234\n", 4, "put it in quotes"),
        ("to: a\ncaller_id: [x\n", 3, "check quotes"),
        ("to: !!python/object:os.system a\n", 1, "not allowed"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_remedy(tmp_path: Path, text: str, line: int, words: str) -> None:
    assert_refused(tmp_path, text, line, words)


def test_all_problems_of_all_files_come_at_once(tmp_path: Path) -> None:
    written(tmp_path, "pears: 1\nsrtp: yes\n", "acme")
    written(tmp_path, "to: sips:a\ntransport: udp\n", "pbx")
    written(tmp_path, "to: a\n", "Pbx 2")
    with pytest.raises(SourceError) as caught:
        load(tmp_path)
    assert sorted(Path(p.file).name for p in caught.value.problems) == [
        "Pbx 2.yaml", "acme.yaml", "acme.yaml", "pbx.yaml",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "line", "words"),
    [
        ("peers: [192.0.2.0/24]\n", "title: x\npeers:\n  - 192.0.2.9/24\n", 3, "may call over trunk acme already"),
        ("users: {bob: x}\n", "users:\n  ann: y\n  bob: y\n", 3, "may call over trunk acme already"),
        (
            "to: sip.a.net\nregister: {user: '1', password: x}\n",
            "to: sip.a.net\nregister:\n  user: '1'\n  password: y\n",
            3,
            "is registered over trunk acme already",
        ),
    ],
)
def test_two_trunks_must_not_claim_the_same_caller(
    tmp_path: Path, first: str, second: str, line: int, words: str
) -> None:
    written(tmp_path, first, "acme")
    other = written(tmp_path, second, "pbx")
    with pytest.raises(SourceError) as caught:
        load(tmp_path)
    assert [(p.file, p.line) for p in caught.value.problems] == [(str(other), line)]
    assert words in str(caught.value)


def test_nested_masks_and_ports_of_one_host_are_no_contradiction(tmp_path: Path) -> None:
    written(tmp_path, "peers: [10.0.0.0/8, 127.0.0.1:5070]\n", "acme")
    written(tmp_path, "peers: [10.1.0.0/16, 127.0.0.1:5080, tls 10.0.0.0/8]\n", "pbx")
    assert list(load(tmp_path)) == ["acme", "pbx"]


# ── secrets ──


def test_a_password_comes_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_PASSWORD", "from the environment")
    (tmp_path / "secret.txt").write_text("from a file\nnot this\n")
    trunk = read(tmp_path, "users:\n  a: ${ACME_PASSWORD}\n  b: file:secret.txt\n  c: literally ${this}\n")
    revealed = {user: secret.reveal() for user, secret in trunk.users.items()}
    assert revealed == {"a": "from the environment", "b": "from a file", "c": "literally ${this}"}


@pytest.mark.parametrize(
    ("value", "words"),
    [("${NO_SUCH_VARIABLE}", "set NO_SUCH_VARIABLE"), ("file:gone", "No such file"), ("''", "empty"), ("[a]", "text")],
)
def test_a_password_that_is_not_there_is_said(tmp_path: Path, value: str, words: str) -> None:
    assert_refused(tmp_path, f"users:\n  a: {value}\n", 2, words)


def test_a_password_is_shown_nowhere(tmp_path: Path) -> None:
    trunk = read(tmp_path, "to: a\nregister: {user: u, password: hush-hush}\nusers: {b: hush-hush}\n")
    for text in (repr(trunk), str(trunk), repr(trunk.users), str(trunk.model_dump()), f"{trunk.users['b']}"):
        assert "hush" not in text


@pytest.mark.parametrize("wrong", ["password: [hush-hush]", "password: 123456", "password: hush-hush\n  pass: hush"])
def test_a_refusal_does_not_show_the_password_either(tmp_path: Path, wrong: str) -> None:
    written(tmp_path, f"to: a\nregister:\n  user: u\n  {wrong}\n")
    with pytest.raises(SourceError) as caught:
        load(tmp_path)
    assert "hush-hush" not in str(caught.value) and "123456" not in str(caught.value)


# ── certificates ──


def test_certificates_are_found_beside_the_file_and_have_to_fit(tmp_path: Path) -> None:
    pair(tmp_path, "us")
    pair(tmp_path, "them")
    pair(tmp_path, "old", days=-1)
    trunk = read(tmp_path, "to: a\ntls: {ca: them.crt, cert: us.crt, key: us.key}\n")
    assert trunk.tls.cert == tmp_path / "us.crt"
    assert_refused(tmp_path, "to: a\ntls:\n  cert: us.crt\n  key: them.key\n", 4, "is not the key of")
    assert_refused(tmp_path, "to: a\ntls:\n  cert: old.crt\n  key: old.key\n", 3, "renew it")
    assert_refused(tmp_path, "to: a\ntls:\n  ca: us.key\n", 3, "holds no certificate")
    assert_refused(tmp_path, "to: a\ntls:\n  cert: us.crt\n  key: gone.key\n", 4, "No such file")


# ── the folder ──


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        load(tmp_path / "gone")
    assert signature(tmp_path / "gone") == ()


def test_a_change_of_a_file_changes_the_signature(tmp_path: Path) -> None:
    path = written(tmp_path, "to: a\n")
    before = signature(tmp_path)
    path.write_text("to: ab\n")
    assert signature(tmp_path) != before


def test_the_examples_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """The three that the documentation shows, once their passwords are set."""
    from telephony.trunk import load as module

    monkeypatch.setenv("ACME_PASSWORD", "x")
    monkeypatch.setenv("PBX_PASSWORD", "x")
    folder = Path(module.__file__).parent.parent / "trunks"
    trunks = load(folder)
    assert list(trunks) == ["carrier", "pbx", "provider"]


def test_the_documentation_names_every_field() -> None:
    from telephony.trunk import model

    text = (Path(__file__).parents[2] / "docs" / "trunks.md").read_text(encoding="utf-8")
    sections = (model.Trunk, model.Register, model.Account, model.AcceptRegistrations, model.CallerId, model.TrunkTls)
    names = {field.alias or name for section in sections for name, field in section.model_fields.items()}
    assert {name for name in names if f"`{name}`" not in text} == set()
