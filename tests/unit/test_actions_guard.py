"""Backends have public addresses, or listed ones; a name cannot smuggle another in."""

from __future__ import annotations

import pytest
from actions_support import Dns

from voicebot.actions.failure import TryFailed
from voicebot.actions.guard import Allow, GuardedResolver, address_of, is_public

PRIVATE = [
    "127.0.0.1", "127.255.255.254", "10.0.0.5", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "255.255.255.255", "224.0.0.1", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("text", PRIVATE)
def test_special_addresses_are_not_public_in_any_spelling(text: str) -> None:
    address = address_of(text)
    assert address is not None
    assert not is_public(address)
    assert not Allow().permits("x", 80, address)


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_ordinary_addresses_are_public(text: str) -> None:
    address = address_of(text)
    assert address is not None
    assert is_public(address)


def test_the_list_permits_one_port_of_one_host() -> None:
    allow = Allow.parse(["10.0.0.5:8443", "Crm.Internal.:80", "[fd00::0:5]:443"])
    ten, fd = address_of("10.0.0.5"), address_of("fd00::5")
    assert ten is not None
    assert fd is not None
    assert allow.permits("10.0.0.5", 8443, ten)
    assert not allow.permits("10.0.0.5", 22, ten)
    assert allow.permits("crm.internal", 80, ten)
    assert allow.permits("[fd00::5]", 443, fd)


def test_a_listed_name_may_not_stand_for_cloud_metadata() -> None:
    metadata = address_of("169.254.169.254")
    assert metadata is not None
    assert not Allow.parse(["crm.internal:80"]).permits("crm.internal", 80, metadata)
    assert Allow.parse(["169.254.169.254:80"]).permits("169.254.169.254", 80, metadata)


@pytest.mark.parametrize("bad", ["10.0.0.5", ":80", "host:", "host:0", "host:65536", "host:http", "fd00::5:80", "*"])
def test_a_wrong_entry_of_the_list_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"host:port|brackets"):
        Allow.parse([bad])


@pytest.mark.parametrize("text", PRIVATE)
async def test_a_name_with_a_special_address_is_refused(text: str) -> None:
    with pytest.raises(TryFailed) as caught:
        await GuardedResolver(Allow(), Dns([text])).resolve("api.example", 443)
    assert caught.value.kind == "refused"


async def test_one_bad_address_among_good_ones_refuses_the_name() -> None:
    with pytest.raises(TryFailed):
        await GuardedResolver(Allow(), Dns(["8.8.8.8", "127.0.0.1"])).resolve("api.example", 443)


async def test_a_name_that_rebinds_is_checked_for_each_connection() -> None:
    guarded = GuardedResolver(Allow(), Dns(["8.8.8.8"], ["127.0.0.1"]))
    assert [found["host"] for found in await guarded.resolve("api.example", 443)] == ["8.8.8.8"]
    with pytest.raises(TryFailed):
        await guarded.resolve("api.example", 443)


async def test_a_name_is_not_permitted_because_its_address_is() -> None:
    guarded = GuardedResolver(Allow.parse(["127.0.0.1:80"]), Dns(["127.0.0.1"]))
    with pytest.raises(TryFailed):
        await guarded.resolve("api.example", 80)
