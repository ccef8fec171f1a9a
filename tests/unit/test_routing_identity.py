"""Who calls: which headers are believed, and when a caller's number counts as verified (acceptance 37)."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from telephony.routing.call_facts import MAX_VALUE_CHARS, CallFacts
from telephony.routing.identity import Variables, identify, user_to_user, variables
from telephony.routing.phone_numbers import normalise
from telephony.routing.rules import Router
from telephony.yaml_problems import SourceError

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC).timestamp()
KEY = ec.generate_private_key(ec.SECP256R1())
Lines = list[tuple[str, str]]


def see(
    lines: Lines,
    *,
    trusted: bool = True,
    verstat: bool = True,
    from_: str = '"Ann" <sip:030123456@pbx>',
    mapping: dict[str, str] | None = None,
    certificates: tuple[x509.Certificate, ...] = (),
) -> Variables:
    facts = CallFacts.of("sip:+4940@bot", from_, lines, trunk="t", trusted=trusted, verstat=verstat)
    identity = identify(facts, "DE", NOW, certificates)
    return variables(facts, identity, normalise(facts.to, "DE"), mapping or {})


def encoded(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def passport(
    age_s: float = 5, orig: str = "4930123456", attest: str = "A", ppt: str = "shaken", **claims: object
) -> str:
    head = {"alg": "ES256", "typ": "passport", "ppt": ppt, "x5u": "https://cert.example/c.pem"}
    body = {"attest": attest, "dest": {"tn": ["4940"]}, "iat": int(NOW - age_s), "orig": {"tn": orig}, **claims}
    text = f"{encoded(head)}.{encoded(body)}"
    r, s = decode_dss_signature(KEY.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{text}.{encoded(r.to_bytes(32) + s.to_bytes(32))};info=<https://cert.example/c.pem>;alg=ES256;ppt={ppt}"


def certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SHAKEN 1234")])
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, begin + timedelta(days=365))
    return builder.sign(key, hashes.SHA256())


PASSED = ("P-Asserted-Identity", '"Bob" <sip:+4930123456;verstat=TN-Validation-Passed@carrier;user=phone>')
SIGNED = ("Identity", passport())


def test_the_asserted_caller_is_shown_only_when_the_trunk_is_trusted() -> None:
    asserted = [("P-Asserted-Identity", '"Bob" <sip:+49891@carrier>, <tel:+49892>')]
    assert see(asserted)["caller_number"] == "+49891" and see(asserted)["caller_name"] == "Bob"
    plain = see(asserted, trusted=False)
    assert plain["caller_number"] == "+4930123456" and plain["caller_name"] == "Ann"


def assert_withheld(seen: Mapping[str, object]) -> None:
    assert (seen["caller_number"], seen["caller_name"], seen["caller_private"]) == ("", "", True)
    assert "4989" not in str(seen)


def test_remote_party_id_counts_where_nothing_is_asserted() -> None:
    party = ("Remote-Party-ID", '"Carl" <sip:+49893@x>;party=calling;privacy=off;screen=yes')
    assert see([party])["caller_number"] == "+49893"
    assert see([party, ("P-Asserted-Identity", "<sip:+49891@x>")])["caller_number"] == "+49891"


@pytest.mark.parametrize(
    ("lines", "from_"),
    [
        ([("Privacy", "id"), ("P-Asserted-Identity", "<sip:+49891@x>")], "<sip:anonymous@anonymous.invalid>"),
        ([("Privacy", "none;user")], "<sip:+49891@x>"),
        ([], '"Anonymous" <sip:anonymous@anonymous.invalid>'),
        ([], "<sip:restricted@x>"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("trusted", [True, False])
def test_a_withheld_number_is_nowhere(lines: Lines, from_: str, trusted: bool) -> None:
    assert_withheld(see([*lines, ("X-A", "b")], from_=from_, trusted=trusted))


def test_a_remote_party_id_withholds_the_number_where_its_peer_is_trusted() -> None:
    lines, from_ = [("Remote-Party-ID", "<sip:+49893@x>;privacy=full")], "<sip:+49891@x>"
    assert_withheld(see(lines, from_=from_))
    assert see(lines, from_=from_, trusted=False)["caller_number"] == "+49891"


def test_diversion_says_whom_the_caller_had_called_first() -> None:
    lines = [
        ("Diversion", "<sip:+4940222@x>;reason=no-answer, <sip:040111111@x>;reason=user-busy;counter=1"),
        ("User-to-User", "0472656620373821;encoding=hex"),
    ]
    seen = see(lines)
    assert (seen["diverted_from"], seen["diversion_reason"]) == ("+4940111111", "user-busy")
    assert seen["user_to_user"] == "ref 78!"
    nothing = see(lines, trusted=False)
    assert nothing["diverted_from"] == nothing["user_to_user"] == ""
    assert see([("Diversion", "<sip:+4940222@x>;privacy=full;reason=user-busy")])["diverted_from"] == ""


def test_history_info_says_it_where_no_diversion_does() -> None:
    lines = [
        ("History-Info", "<sip:+4940111@x>;index=1, <sip:+4940222@x;cause=486>;index=1.1"),
        ("History-Info", "<sip:+4940@bot>;index=1.1.1"),
    ]
    assert see(lines)["diverted_from"] == "+4940111" and see(lines)["diversion_reason"] == "cause 486"
    assert see([("History-Info", "<sip:+4940@bot>;index=1")])["diverted_from"] == ""
    hidden = [("History-Info", "<sip:+4940111@x?Privacy=history>;index=1, <sip:+4940222@x>;index=1.1")]
    assert see(hidden)["diverted_from"] == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("04416e6e", "Ann"),
        ("416e6e;encoding=hex;purpose=isdn-uui", "Ann"),
        ("00C3A4", "ä"),
        ("ff00ff;encoding=hex", "ff00ff"),
        ('"plain text";content=isdn', "plain text"),
        ("customer=42", "customer=42"),
        ("41" * 600, ""),
        ("", ""),
        ("040d0a45", "040d0a45"),
    ],
)
def test_user_to_user_is_read_within_bounds(value: str, shown: str) -> None:
    assert user_to_user(value) == shown


def test_mapped_headers_are_one_bounded_line() -> None:
    lines = [("X-Note", "a\r\nInjected: yes\x00\u2028\u202eb" + "x" * 5000)]
    note = str(see(lines, mapping={"note": "x-note"})["note"])
    assert note.startswith("a Injected: yes b") and len(note) == MAX_VALUE_CHARS and note.isprintable()
    assert see(lines, mapping={"note": "X-Note"}, trusted=False)["note"] == ""
    assert see([], mapping={"note": "X-Note"})["note"] == ""


# ── acceptance 37 ──


def result(lines: Lines, **more: object) -> tuple[object, object, str]:
    seen = see(lines, **more)  # type: ignore[arg-type]
    return seen["caller_verified"], seen["attestation"], str(seen["verification"])


def test_a_fresh_passed_number_of_a_believed_trunk_is_verified() -> None:
    assert result([PASSED, ("P-Attestation-Indicator", "A"), SIGNED]) == (
        True, "A", "passed: the trunk vouches for it, signed 5 s ago",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("suffix", "header", "level"),
    [("-A", "", "A"), ("-B", "", "B"), ("", "C", "C"), ("", "", "none"), ("-A", "B", "B"), ("", "x", "none")],
)
def test_the_attestation_is_the_weakest_one_said(suffix: str, header: str, level: str) -> None:
    lines = [(PASSED[0], PASSED[1].replace("Passed", "Passed" + suffix)), ("Attestation-Info", header)]
    assert result(lines)[:2] == (True, level)


def test_verstat_is_found_in_from_and_as_a_header_parameter() -> None:
    where = "<sip:+4930123456;verstat=TN-Validation-Passed@x>", "<tel:+4930123456>;verstat=TN-Validation-Passed"
    for from_ in where:
        assert result([], from_=from_)[0] is True


FOR_THEM = ("Identity", passport(dest={"tn": ["4941"]}))


def diverted(age_s: float = 5, **claims: object) -> tuple[str, str]:
    """From them to us, by RFC 8946."""
    return "Identity", passport(age_s, ppt="div", **{"div": {"tn": "4941"}, **claims})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lines", "to"),
    [
        ([("Identity", passport(dest={"tn": ["4999", "4940"]}))], "<sip:bot@x>"),
        ([("Identity", passport(dest={"tn": "4940"}))], "<sip:bot@x>"),
        ([FOR_THEM], "<sip:+4941@x>"),
        ([FOR_THEM, diverted()], "<sip:bot@x>"),
        (
            [FOR_THEM, diverted(div={"tn": "4942"}), diverted(dest={"tn": ["4942"]})],
            "<sip:bot@x>",
        ),
    ],
)
def test_a_signature_for_the_called_number_counts_by_request_uri_to_and_diversion(lines: Lines, to: str) -> None:
    assert result([PASSED, ("To", to), *lines])[0] is True


NOT_VERIFIED: list[tuple[str, Lines, str]] = [
    ("nothing", [], "not signed"),
    ("only signed, nobody checked", [SIGNED], "not checked by the trunk: no verstat"),
    ("failed", [(PASSED[0], PASSED[1].replace("Passed", "Failed"))], "failed"),
    ("failed with a level", [(PASSED[0], PASSED[1].replace("Passed", "Failed-A"))], "failed"),
    ("not validated", [(PASSED[0], PASSED[1].replace("TN-Validation-Passed", "No-TN-Validation"))], "not checked"),
    ("a strange verstat", [(PASSED[0], PASSED[1].replace("Passed", "Passed-Z"))], "not understood"),
    ("one passed, one failed", [PASSED, (PASSED[0], "<tel:+49301;verstat=TN-Validation-Failed>")], "failed"),
    ("61 s old", [PASSED, ("Identity", passport(61))], "stale: signed 61 s ago"),
    ("one of two stale", [PASSED, SIGNED, ("Identity", passport(3600))], "stale"),
    ("in the future", [PASSED, ("Identity", passport(-120))], "in the future"),
    ("another number", [PASSED, ("Identity", passport(orig="4930999"))], "another number"),
    ("no number", [PASSED, ("Identity", passport(orig=""))], "another number"),
    ("to another number", [PASSED, ("Identity", passport(dest={"tn": ["4941"]}))], "a call to another number"),
    ("to nobody", [PASSED, ("Identity", passport(dest=None))], "a call to another number"),
    ("to a URI", [PASSED, ("Identity", passport(dest={"uri": ["sip:+4940@bot"]}))], "a call to another number"),
    ("to rubbish", [PASSED, ("Identity", passport(dest={"tn": [None, {}, ""]}))], "a call to another number"),
    ("one of two to another", [PASSED, SIGNED, ("Identity", passport(dest={"tn": "4941"}))], "to another number"),
    ("diverted by a stranger", [PASSED, FOR_THEM, diverted(orig="4930999")], "a call to another number"),
    ("diverted from elsewhere", [PASSED, FOR_THEM, diverted(div={"tn": "4942"})], "a call to another number"),
    ("diverted an hour ago", [PASSED, FOR_THEM, diverted(3600)], "a call to another number"),
    ("compact form", [PASSED, ("Identity", "..abc;info=<https://x>")], "malformed"),
    ("no JSON", [PASSED, ("Identity", f"{encoded(b'{')}.{encoded({})}.x")], "malformed"),
    ("no base64", [PASSED, ("Identity", "ä.b.c")], "malformed"),
    ("iat is text", [PASSED, ("Identity", passport(iat="now"))], "malformed"),
    ("iat is huge", [PASSED, ("Identity", passport(iat=10**30))], "malformed"),
    ("deep JSON", [PASSED, ("Identity", f"{encoded(b'[' * 5000)}.{encoded({})}.x")], "malformed"),
    ("too long", [PASSED, ("Identity", "a." + "b" * 9000 + ".c")], "malformed"),
    ("in a name", [(PASSED[0], '";verstat=TN-Validation-Passed" <sip:+4930123456@x>')], "not signed"),
    ("in a broken address", [(PASSED[0], ";verstat=TN-Validation-Passed")], "not signed"),
    ("rubbish", [PASSED, ("Identity", "hello")], "malformed"),
]


@pytest.mark.parametrize(("lines", "words"), [case[1:] for case in NOT_VERIFIED], ids=[c[0] for c in NOT_VERIFIED])
def test_what_failed_or_is_stale_or_malformed_is_never_verified(lines: Lines, words: str) -> None:
    verified, level, said = result(lines)
    assert (verified, level) == (False, "none") and words in said


@pytest.mark.parametrize(("trusted", "verstat"), [(False, True), (True, False), (False, False)])
def test_a_trunk_that_is_not_configured_for_it_is_never_believed(trusted: bool, verstat: bool) -> None:
    lines = [PASSED, ("P-Attestation-Indicator", "A"), SIGNED]
    from_ = "<sip:+4930123456;verstat=TN-Validation-Passed-A@x>"
    assert result(lines, trusted=trusted, verstat=verstat, from_=from_)[:2] == (False, "none")
    assert "not believed" in result(lines, trusted=trusted, verstat=verstat)[2]


def test_a_signature_about_a_diversion_says_nothing_about_the_caller() -> None:
    assert result([PASSED, SIGNED, ("Identity", passport(3600, ppt="div"))])[0] is True


def test_a_certificate_in_the_configuration_replaces_the_carriers_word() -> None:
    right, wrong = certificate(KEY), certificate(ec.generate_private_key(ec.SECP256R1()))
    assert result([SIGNED], certificates=(wrong, right)) == (
        True, "A", "passed: signed by a configured certificate, signed 5 s ago",
    )  # fmt: skip
    assert result([SIGNED], certificates=(wrong,))[:2] == (False, "none")
    assert result([PASSED], certificates=(right,))[0] is False
    head, body, signature = SIGNED[1].split(";")[0].split(".")
    forged = json.loads(base64.urlsafe_b64decode(body + "==")) | {"attest": "B"}
    assert result([("Identity", f"{head}.{encoded(forged)}.{signature}")], certificates=(right,))[0] is False
    assert result([(PASSED[0], PASSED[1].replace("Passed", "Failed")), SIGNED], certificates=(right,))[0] is False


def test_the_routes_file_names_the_certificates(tmp_path: Path) -> None:
    (tmp_path / "shaken.pem").write_bytes(certificate(KEY).public_bytes(Encoding.PEM))
    (tmp_path / "routes.yaml").write_text("country: DE\ncertificates: shaken.pem\nelse: {flow: main}\n")
    router = Router.load(tmp_path / "routes.yaml")
    facts = CallFacts.of("sip:+4940@bot", "<sip:030123456@pbx>", [SIGNED], trunk="t", trusted=True, verstat=True)
    assert router.decide(facts, datetime.fromtimestamp(NOW, UTC)).variables["caller_verified"] is True
    (tmp_path / "shaken.pem").write_text("nothing")
    with pytest.raises(SourceError, match=r"routes.yaml:2: certificates: shaken.pem: no PEM certificate"):
        Router.load(tmp_path / "routes.yaml")


def test_no_mutated_header_is_ever_verified_by_mistake_or_raises() -> None:
    rng = random.Random(37)
    names = [
        "P-Asserted-Identity",
        "Identity",
        "Diversion",
        "History-Info",
        "User-to-User",
        "Remote-Party-ID",
        "Privacy",
    ]
    seeds = [
        PASSED[1].replace("Passed", "Failed"),
        SIGNED[1],
        '<sip:+49;x=y@z>;reason=a, "b" <tel:1>',
        "0441;encoding=hex",
    ]
    for _ in range(3000):
        text = list(rng.choice(seeds))
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(text))
            text[at : at + rng.randrange(3)] = rng.choice(
                ["\0", '"', "<", ">", ";", ",", "%zz", "\ud800", "é", "(" * 50, ""]
            )
        seen = see([(rng.choice(names), "".join(text))], from_="".join(text) if rng.random() < 0.2 else "<sip:1@x>")
        assert seen["caller_verified"] is False
        for value in seen.values():
            assert isinstance(value, bool) or (value.isprintable() and len(value) <= MAX_VALUE_CHARS)
