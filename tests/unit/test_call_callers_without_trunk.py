"""How many places callers without a trunk get."""

from __future__ import annotations

from telephony.call.inbound.callers_without_trunk import TrunklessLease, TrunklessLimit


def fill(anonymous: TrunklessLimit, host: str, most: int = 100) -> list[TrunklessLease]:
    """Places until there are no more."""
    places = [anonymous.admit(host) for _ in range(most)]
    return [place for place in places if place is not None]


def test_one_source_gets_half_and_all_together_three_quarters() -> None:
    anonymous = TrunklessLimit(20, lambda: False)
    assert len(fill(anonymous, "192.0.2.1")) == 10
    assert len(fill(anonymous, "192.0.2.2")) == 5
    assert not fill(anonymous, "192.0.2.3")


def test_an_ipv6_customer_is_one_source() -> None:
    anonymous = TrunklessLimit(20, lambda: False)
    assert len(fill(anonymous, "2001:db8::1")) == 10
    assert not fill(anonymous, "2001:db8::ffff")
    assert fill(anonymous, "2001:db8:0:1::1")


def test_without_trunks_a_call_counts_until_it_is_acknowledged() -> None:
    anonymous = TrunklessLimit(4, lambda: False)
    for place in fill(anonymous, "192.0.2.1"):
        place.confirm()
        place.confirm()
    assert len(fill(anonymous, "192.0.2.1")) == 2


def test_with_trunks_a_call_counts_until_it_ends() -> None:
    anonymous = TrunklessLimit(4, lambda: True)
    places = fill(anonymous, "192.0.2.1")
    assert len(places) == 2
    places[0].confirm()
    assert not fill(anonymous, "192.0.2.1")
    places[0].release()
    places[0].release()
    assert len(fill(anonymous, "192.0.2.1")) == 1


def test_what_is_over_leaves_nothing_behind() -> None:
    anonymous = TrunklessLimit(1000, lambda: False)
    for number in range(300):
        for place in fill(anonymous, f"192.0.2.{number % 250}", 1):
            if number % 2:
                place.confirm()
            place.release()
    assert not anonymous._calls and not anonymous._waiting


def test_the_smallest_server_still_takes_a_call() -> None:
    assert len(fill(TrunklessLimit(1, lambda: True), "192.0.2.1")) == 1
