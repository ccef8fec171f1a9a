"""What is probably not meant in a routes file: rules that are never reached, numbers claimed twice, unknown names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from telephony.yaml_problems import Problem

from .conditions import NO_TRUNK, CompiledRoute
from .model import HeaderTest, RouteTarget, When
from .phone_numbers import NumberTest
from .rules import Router


def lint(
    router: Router,
    flows: Collection[str] | None = None,
    targets: Collection[str] | None = None,
    trunks: Collection[str] | None = None,
    trusted: Collection[str] | None = None,
) -> list[Problem]:
    """Look through a file that could be read.

    Args:
        router: of the file.
        flows: names of the dialogs; None: not looked at.
        targets: names of the handover targets.
        trunks: names of the trunks.
        trusted: those of the trunks whose headers are believed.

    Returns:
        Problems in the order of the file; those with `warning` leave the file usable.
    """
    found = _unknown_names(router, flows, targets, trunks)
    pairs = _pairs(router.rules)
    for index, rule in enumerate(router.rules):
        found += _shadows(router, index, rule, pairs)
        found += _headers(router, rule, trusted)
    used = {name for rule in router.rules for name in (*rule.route.when.during, *rule.route.when.outside)}
    for name in router.model.hours.keys() - used:
        found.append(_warn(router, router.line("hours", name), f"hours {name!r} are used by no rule", "remove them"))
    calendars = {name for entry in router.model.hours.values() for name in entry.special}
    for name in router.model.calendars.keys() - calendars:
        message = f"calendar {name!r} is used by no hours"
        found.append(_warn(router, router.line("calendars", name), message, "name it under special of some hours"))
    return sorted(found, key=lambda problem: problem.line)


def _warn(router: Router, line: int, message: str, remedy: str) -> Problem:
    return Problem(router.file, line, message, remedy, warning=True)


def _unknown_names(
    router: Router,
    flows: Collection[str] | None,
    targets: Collection[str] | None,
    trunks: Collection[str] | None,
) -> list[Problem]:
    model, found = router.model, []

    def look(target: RouteTarget, *path: str | int) -> None:
        known = flows if target.kind == "flow" else targets if target.kind in ("transfer", "queue") else None
        if known is not None and target.value not in known:
            what, where = ("flow", "flows") if target.kind == "flow" else ("target", "handover.targets")
            remedy = f"known are: {', '.join(sorted(known)) or 'none'}; add it under {where} in voicebot.yaml"
            line = router.line(*path, target.kind)
            found.append(Problem(router.file, line, f"{what} {target.value!r} is not known", remedy))

    look(model.else_, "else")
    for index, route in enumerate(model.routes):
        look(route, "routes", index)
        for name in route.when.trunk:
            if trunks is not None and name != NO_TRUNK and name not in trunks:
                line = router.line("routes", index, "when", "trunk")
                remedy = f"known are: {', '.join(sorted(trunks)) or 'none'}, and none for calls without a trunk"
                found.append(Problem(router.file, line, f"trunk {name!r} is not known", remedy))
    for name in model.countries:
        if trunks is not None and name not in trunks:
            line = router.line("countries", name)
            found.append(Problem(router.file, line, f"trunk {name!r} is not known", "correct or remove it"))
    return found


def _headers(router: Router, rule: CompiledRoute, trusted: Collection[str] | None) -> list[Problem]:
    when = rule.route.when
    needs = bool(when.headers) or when.verified is True or any(level != "none" for level in when.attestation)
    if trusted is None or not needs:
        return []
    possible = set(when.trunk) & set(trusted) if when.trunk else set(trusted)
    if possible:
        return []
    message = f"route {rule.route.name!r} asks for headers that no trunk of it is trusted for, and never matches"
    remedy = "set trusted: true (and verstat: true for verification) in the trunk, if its peer may be believed"
    return [_warn(router, rule.line, message, remedy)]


# ── which rules never get a call ──


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two rules that together take what `rule` says."""

    index: int
    """Of the later one."""
    names: str
    rule: CompiledRoute


def _pairs(rules: list[CompiledRoute]) -> list[_Pair]:
    timed = [(index, rule) for index, rule in enumerate(rules) if rule.route.when.during or rule.route.when.outside]
    found = []
    for index, one in timed:
        for other_index, two in timed:
            both = _together(one, two)
            if both is not None:
                names = f"{one.route.name!r} (line {one.line}) and {two.route.name!r} (line {two.line})"
                found.append(_Pair(max(index, other_index), names, both))
    return found


def _shadows(router: Router, index: int, rule: CompiledRoute, pairs: list[_Pair]) -> list[Problem]:
    name, earlier = rule.route.name, router.rules[:index]
    taker = next((f"{r.route.name!r} (line {r.line}) takes" for r in earlier if _covers(r, rule)), None)
    if taker is None:
        taker = next((f"{p.names} together take" for p in pairs if p.index < index and _covers(p.rule, rule)), None)
    if taker is not None:
        message = f"route {name!r} is never reached: {taker} all its calls"
        return [Problem(router.file, rule.line, message, "put it further up, or remove it")]
    return _overlaps(router, rule, earlier)


def _overlaps(router: Router, rule: CompiledRoute, earlier: list[CompiledRoute]) -> list[Problem]:
    """Numbers that two otherwise equal rules both name, in part: easily a slip of a digit."""
    for other in earlier:
        if _target(other) == _target(rule) or not _same_but_numbers(other.route.when, rule.route.when):
            continue
        for key in ("to", "from_"):
            mine, theirs = getattr(rule, key), getattr(other, key)
            rest = "from_" if key == "to" else "to"
            if getattr(rule, rest) != getattr(other, rest):
                continue
            clash = next(((a, b) for a in mine for b in theirs if _partly(a, b)), None)
            if clash is not None:
                message = f"{clash[0].text} overlaps {clash[1].text} of route {other.route.name!r} (line {other.line})"
                return [_warn(router, rule.line, message, "calls to both go to that earlier route; is that meant?")]
    return []


def _partly(mine: NumberTest, theirs: NumberTest) -> bool:
    """They meet, and this is not the usual exception before the general case."""
    return mine.meets(theirs) and not mine.covers(theirs)


def _same_but_numbers(one: When, two: When) -> bool:
    blank: dict[str, tuple[str, ...]] = {"to": (), "from_": ()}
    return one.model_copy(update=blank) == two.model_copy(update=blank)


def _target(rule: CompiledRoute) -> tuple[str, str]:
    return rule.route.kind, rule.route.value


def _together(one: CompiledRoute, two: CompiledRoute) -> CompiledRoute | None:
    """One rule for what two take that differ only in this: one is for inside, one for outside the same hours."""
    first, second = one.route.when, two.route.when
    if len(first.during) != 1 or first.during != second.outside or first.outside or second.during:
        return None
    either = first.model_copy(update={"during": ()})
    if (one.to, one.from_) != (two.to, two.from_) or either != second.model_copy(update={"outside": ()}):
        return None
    return replace(one, route=one.route.model_copy(update={"when": either}))


def _covers(wide: CompiledRoute, narrow: CompiledRoute) -> bool:
    """Whether each call that `narrow` would take is taken by `wide` (False also when that cannot be told)."""
    a, b = wide.route.when, narrow.route.when
    return (
        _numbers_cover(wide.to, narrow.to)
        and _numbers_cover(wide.from_, narrow.from_)
        and _names_cover(a.trunk, b.trunk)
        and _names_cover(a.during, b.during)
        and set(a.outside) <= set(b.outside)
        and _names_cover(a.attestation, b.attestation)
        and a.verified in (None, b.verified)
        and a.private in (None, b.private)
        and all(_header_covers(test, b.headers.get(name)) for name, test in a.headers.items())
    )


def _numbers_cover(wide: tuple[NumberTest, ...], narrow: tuple[NumberTest, ...]) -> bool:
    if not wide:
        return True
    return bool(narrow) and all(any(one.covers(other) for one in wide) for other in narrow)


def _names_cover(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    return not wide or (bool(narrow) and set(narrow) <= set(wide))


def _header_covers(wide: HeaderTest, narrow: HeaderTest | None) -> bool:
    if narrow is None:
        return False
    if wide == narrow:
        return True
    if wide.present is True:
        return narrow.present is not False
    if wide.contains is not None:
        text = narrow.equals if narrow.equals is not None else narrow.contains
        return text is not None and wide.contains.casefold() in text.casefold()
    return False
