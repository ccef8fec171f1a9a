"""Routes: which rule takes a call, why, and what the file says when it is wrong."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from telephony.routing.call_facts import CallFacts
from telephony.routing.lint import lint
from telephony.routing.patterns import PatternError, compile_pattern
from telephony.routing.phone_numbers import NumberTest, normalise
from telephony.routing.rules import RouteDecision, Router
from telephony.yaml_problems import SourceError
from voicebot.paths import DIALOGS

FILE = """\
country: DE
countries: {london: GB}
zone: Europe/Berlin
calendars:
  public: [12-25, 2026-12-31..2027-01-01]
hours:
  office:
    open: {mon-fri: 09:00-17:30, sat: [10:00-12:00, 13:00-15:00]}
    special: {public: closed}
  night:
    open: {daily: 22:00-06:00}
variables: {customer: X-Customer}
routes:
  - name: block
    when: {from: "+4990012345*"}
    answer: 603 Decline
  - name: vip
    when: {headers: {X-Customer: {pattern: 'gold-\\d+'}}}
    transfer: desk
    set: {level: gold}
  - name: sales by day
    when: {to: ["+49301000..+49301999", "030 5550199", sales], during: office}
    flow: sales
  - name: sales closed
    when: {to: ["+49301000..+49301999", "030 5550199", sales], outside: office}
    queue: voicemail
  - name: london
    when: {trunk: london, to: '/\\+4420\\d{8}/'}
    redirect: sip:desk@192.0.2.7
  - name: signed
    when: {attestation: [A, B], verified: true}
    flow: trusting
else:
  flow: main
"""
MONDAY = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
"""10:30 in Berlin."""


def decide(to: str = "100", from_: str = "sip:+4917012345@x", at: datetime = MONDAY, **more: object) -> RouteDecision:
    headers = more.pop("headers", [])
    assert isinstance(headers, list)
    return Router.parse(FILE).decide(CallFacts.of(to, from_, headers, **more), at)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("to", "rule"),
    [
        ("sip:+49301500@sbc.example", "sales by day"),
        ("sip:030-5550199;phone-context=x@sbc", "sales by day"),
        ("tel:+49-30-555-0199", "sales by day"),
        ("sip:0049305550199@sbc", "sales by day"),
        ("sip:sales@bot", "sales by day"),
        ("sip:%73ales@bot", "sales by day"),
        ("sip:+493015000@sbc.example", "else"),
        ("sip:+49302000@sbc.example", "else"),
        ("sip:100@pbx", "else"),
    ],
)
def test_called_numbers_match_in_whatever_form_they_come(to: str, rule: str) -> None:
    assert decide(to).rule == rule


def test_the_first_rule_that_matches_wins_and_each_one_tried_says_why() -> None:
    decision = decide("+49301500")
    assert [(o.rule, o.matched) for o in decision.why] == [("block", False), ("vip", False), ("sales by day", True)]
    assert [o.line for o in decision.why] == [14, 17, 21]
    assert decision.why[0].words == "from +4917012345 is not +4990012345*"
    assert "not believed" in decision.why[1].words
    assert decision.why[2].words == (
        "to +49301500 is +49301000..+49301999; office: mon 2026-11-23 10:30 Europe/Berlin is in 09:00-17:30"
    )
    assert (decision.target.kind, decision.target.value) == ("flow", "sales")


@pytest.mark.parametrize(
    ("at", "open_"),
    [
        (datetime(2026, 11, 23, 7, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 23, 8, 0, tzinfo=UTC), True),
        (datetime(2026, 7, 6, 7, 0, tzinfo=UTC), True),  # summer: 09:00 in Berlin
        (datetime(2026, 11, 23, 16, 29, tzinfo=UTC), True),
        (datetime(2026, 11, 23, 16, 30, tzinfo=UTC), False),
        (datetime(2026, 11, 28, 11, 30, tzinfo=UTC), False),  # Saturday between both times
        (datetime(2026, 11, 28, 12, 30, tzinfo=UTC), True),
        (datetime(2026, 12, 25, 10, 0, tzinfo=UTC), False),  # a Friday, every year's holiday
        (datetime(2027, 1, 1, 10, 0, tzinfo=UTC), False),  # a Friday, in a range of days
        (datetime(2026, 12, 30, 23, 30, tzinfo=UTC), False),
    ],
)
def test_business_hours_follow_zone_weekday_and_calendar(at: datetime, open_: bool) -> None:
    assert decide("sales", at=at).rule == ("sales by day" if open_ else "sales closed")


@pytest.mark.parametrize(("hour", "inside"), [(21, False), (22, True), (23, True), (0, True), (5, True), (6, False)])
def test_hours_over_midnight_belong_to_the_day_they_begin_on(hour: int, inside: bool) -> None:
    local = datetime(2026, 11, 23, hour, 0, tzinfo=UTC)
    router = Router.parse(FILE.replace("zone: Europe/Berlin", "zone: UTC"))
    assert router.hours["night"].open_at(local)[0] is inside


def test_refusals_and_redirects_carry_their_status() -> None:
    assert decide(from_="sip:+49900123456@x").target.refusal == (603, "Decline")
    target = decide("sip:020 7946 0958@x", trunk="london").target
    assert target.refusal == (302, "Moved Temporarily") and target.redirect == "sip:desk@192.0.2.7"
    assert decide().target.refusal == (0, "")


def test_headers_count_from_trusted_trunks_only_and_become_variables() -> None:
    gold = [("X-Customer", "GOLD-77")]
    assert decide(headers=gold, trunk="t").rule == "else"
    assert decide(headers=gold, trunk="t").variables["customer"] == ""
    decision = decide(headers=gold, trunk="t", trusted=True)
    assert decision.rule == "vip"
    assert decision.variables["customer"] == "GOLD-77"
    assert decision.variables["level"] == "gold"
    assert decision.variables["trunk"] == "t"


def test_verification_can_be_asked_for() -> None:
    passed = "<sip:+49170;verstat=TN-Validation-Passed-B@x>"
    headers = [("P-Asserted-Identity", passed)]
    assert decide(headers=headers, trunk="t", trusted=True, verstat=True).rule == "signed"
    assert decide(headers=headers, trunk="t", trusted=True).rule == "else"


WRONG = [
    ("zone: Europe/Berlin", "zone: Europe/Bärlin", 3, "no time zone"),
    ("country: DE", "country: Germany", 1, "no country"),
    ("[12-25,", "[12-35,", 5, "no day"),
    ("mon-fri:", "mon-fry:", 8, "no days"),
    ("09:00-17:30", "9-17:30", 8, "no times"),
    ("{public: closed}", "{pubic: closed}", 9, "calendar 'pubic'"),
    ("during: office", "during: ofice", 22, "hours 'ofice'"),
    ("+49301000..+49301999\", \"030 5550199\", sales], d", "+49301000..+4930199\", sales], d", 22, "as many digits"),
    ("gold-\\d+", "(a*)*", 18, "too long"),
    ("gold-\\d+", "(?=x)", 18, "(?:"),
    ("answer: 603 Decline", "answer: 200 OK", 16, "300 to 699"),
    ("answer: 603 Decline", "anser: 603 Decline", 16, "unknown key"),
    ("    answer: 603 Decline\n", "", 14, "exactly one of"),
    ("{level: gold}", "{caller_verified: gold}", 20, "set by the server"),
    ("- name: signed", "- name: vip", 13, "two routes"),
    ("else:\n  flow: main", "", 1, "add 'else'"),
    ("sip:desk@192.0.2.7", "http://desk", 29, "SIP URI"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "words"), WRONG)
def test_a_mistake_is_named_with_its_line(old: str, new: str, line: int, words: str) -> None:
    assert old in FILE
    with pytest.raises(SourceError) as caught:
        Router.parse(FILE.replace(old, new, 1), "routes.yaml")
    assert any(p.line == line and words in f"{p.message} {p.remedy}" for p in caught.value.problems), str(caught.value)


def problems(routes: str, **known: list[str]) -> list[str]:
    text = f"zone: UTC\nhours:\n  day: {{open: {{daily: 08:00-20:00}}}}\nroutes:\n{routes}else: {{flow: main}}\n"
    return [str(problem) for problem in lint(Router.parse(text, "r"), **known) if "used by no rule" not in str(problem)]


def route(name: str, when: str, target: str = "flow: a") -> str:
    return f"  - {{name: {name}, when: {{{when}}}, {target}}}\n"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('to: "+49*"', 'to: ["+4930*", "+4940123"]'),
        ('to: "+49301000..+49301999"', 'to: "+49301500..+49301600"'),
        ('to: "+49301000..+49301999"', 'to: "+49301555"'),
        ('to: "/\\\\+49\\\\d+/"', 'to: "+49301555"'),
        ("", 'from: "+1*"'),
        ("trunk: [a, b]", "trunk: b, verified: true"),
        ("during: day", 'during: day, to: "1"'),
        ("headers: {X-A: {present: true}}", "headers: {X-A: {equals: b}, X-B: c}"),
        ("headers: {X-A: {contains: oo}}", "headers: {X-A: foo}"),
    ],
)
def test_a_rule_behind_a_wider_one_is_never_reached(first: str, second: str) -> None:
    found = problems(route("one", first) + route("two", second))
    assert len(found) == 1 and found[0].startswith("r:6: route 'two' is never reached: 'one' (line 5)"), found
    assert problems(route("two", second) + route("one", first)) == []


def test_inside_and_outside_of_hours_together_leave_nothing() -> None:
    both = route("day", 'during: day, to: "1"') + route("night", 'outside: day, to: "1"', "flow: b")
    found = problems(both + route("late", 'to: "1", verified: true', "flow: c"))
    assert len(found) == 1 and "'day' (line 5) and 'night' (line 6) together take all its calls" in found[0]
    assert problems(both + route("late", 'to: "2"', "flow: c")) == []


def test_ranges_that_overlap_in_part_are_a_warning() -> None:
    overlapping = route("one", 'to: "+49100..+49200"') + route("two", 'to: "+49150..+49250"', "flow: b")
    assert "warning: +49150..+49250 overlaps +49100..+49200 of route 'one'" in problems(overlapping)[0]
    assert problems(route("one", 'to: "+49100"') + route("two", 'to: "+491*"', "flow: b")) == []


def test_unknown_names_are_found_with_what_is_known() -> None:
    routes = route("one", "trunk: [acme, none]", "flow: sails") + route("two", "trunk: b", "transfer: desk")
    found = problems(routes, flows=["main", "sales"], targets=["reception"], trunks=["b"], trusted=[])
    assert [line.split(" — ")[0] for line in found] == [
        "r:5: flow 'sails' is not known",
        "r:5: trunk 'acme' is not known",
        "r:6: target 'desk' is not known",
    ]
    assert "known are: main, sales" in found[0]


def test_rules_on_headers_that_nobody_is_trusted_for_are_a_warning() -> None:
    routes = route("one", "trunk: a, headers: {X-A: b}")
    assert "never matches" in problems(routes, trunks=["a", "b"], trusted=["b"])[0]
    assert problems(routes, trunks=["a", "b"], trusted=["a"]) == []


def test_numbers_become_e164_only_when_they_are_valid() -> None:
    assert str(normalise("sip:030123456@x", "DE")) == "+4930123456"
    assert normalise("sip:100@x", "DE").e164 == ""
    assert normalise("sip:12345@x", "US").e164 == ""
    assert normalise("sip:030123456@x").forms == ("030123456",)
    assert normalise("sip:+1 (202) 555-0123@x").e164 == "+12025550123"


def test_what_one_number_entry_covers_of_another() -> None:
    def covers(one: str, two: str) -> bool:
        return NumberTest.parse(one).covers(NumberTest.parse(two))

    assert covers("*", "/x+/") and covers("+4*", "+40..+49") and covers("/[+]4.*/", "+49")
    assert not covers("+49", "+49*") and not covers("+490*", "+4900..+4911") and not covers("/x/", "+4*")


@pytest.mark.parametrize("pattern", ["(a*)*", "(a|b)*", ".*.*.*", "a?" * 20, "(a{1,9}){1,9}", "(.|.)+x"])
def test_patterns_that_could_run_long_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError, match="too long"):
        compile_pattern(pattern)


@pytest.mark.parametrize("pattern", [r"(\d)\1", "(?P<a>b)", "a**", "a{", "(a", "a)", "[a", "*a", "x" * 201, "[[a]"])
def test_patterns_outside_the_subset_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)


def test_usual_patterns_are_taken() -> None:
    assert compile_pattern(r"\+49(30|40|(?:89))\d{3,12}").fullmatch("+4989123456")
    assert compile_pattern(r".*sales.*").fullmatch("x" * 100 + "SALES")
    assert compile_pattern(r"[A-Za-z0-9\-]+@example\.(com|net)").fullmatch("a-b@example.net")
    assert compile_pattern(r"(?:\d{3}-)*x").fullmatch("123-456-x")


def test_the_example_file_is_sound() -> None:
    router = Router.load(DIALOGS / "northwind.routes.yaml")
    assert lint(router, ["northwind"], ["reception"], ["carrier"], ["carrier"]) == []
    open_at = datetime(2026, 12, 28, 10, 59, tzinfo=UTC)
    assert router.decide(CallFacts.of("sip:030-123425@x", "+4917012345"), open_at).rule == "workshop"
    assert router.decide(CallFacts.of("sip:030-123425@x", "+4917012345"), open_at.replace(hour=11)).rule == "else"
