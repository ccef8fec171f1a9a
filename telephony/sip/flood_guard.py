"""What a source may send us, decided before anything is parsed. No I/O; the clock is an argument.

Every request that opens something (INVITE, REGISTER, OPTIONS … outside a dialog) takes a token. There is one bucket for
all sources and a small one for each. The common bucket is shared out by how full it is, so that its whole rate can be
used by one source while nobody else wants it, and by the others as soon as they do:

    more than a quarter full     anyone
    more than an eighth          sources within their own share
    not empty                    sources within it that have proved themselves: an answered call, a right digest

While the event loop lags, sources that have not proved themselves get a small part of that.

Messages of dialogs, responses, ACK and CANCEL come out of another, larger bucket, so a flood of INVITEs from the
address of a live call does not end that call. Trusted networks (our trunks) have large buckets of their own.

Anybody can write any address into a datagram. So nothing blocks a source but what only that source can have sent: too
many wrong digests by TCP or TLS, or on a nonce that was issued to it; and then only what it wants to open is turned
away, what it has open goes on. Everything else that is unwanted (a scanner, a guess without nonce) is dropped or
refused by itself and counted, and costs the address that it names nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ..events import OnEvent, SourceBlocked, SourceRefused, ignore_event

MAX_SOURCES = 8192
"""Sources remembered at one time; the one that was quiet for longest is forgotten first."""
MAX_BLOCKS = 4096
FORGET_S = 86_400.0
"""How long the number of earlier blocks of a source counts."""
TELL_EVERY_S = 10.0
"""`SourceRefused` is told once in this time for a source; `FloodGuard.refused` counts them all."""

PEEK_BYTES = 4096
"""How far into a message is looked."""

_FOLLOWING = (b"sip/2.0", b"ack ", b"bye ", b"cancel ", b"prack ")
_TO = re.compile(rb"\r\n(?:to|t)[ \t]*:((?:[^\r]|\r\n[ \t]){0,1024})")
_TAG = re.compile(rb";\s*tag\s*=")
Why = Literal["rate", "overload", "blocked", "scanner"]
_SCANNERS = (b"friendly-scanner", b"sipvicious", b"sundayddr", b"sip-scan", b"siparmyknife", b"vaxsipuseragent")

Key = str | bytes
"""An IPv4 address as text, or the first 64 bits of an IPv6 address: what one customer has."""


@dataclass(frozen=True, slots=True)
class Rates:
    """How much is let in. Rates are messages per second, bursts are messages."""

    opening: float = 600.0
    """Requests outside a dialog, of all sources that are not trusted together; to refuse so many takes a sixth of a
    core."""
    opening_burst: float = 3000.0
    share: float = 100.0
    """Of them, what one source has a right to while others want in too."""
    share_burst: float = 200.0
    following: float = 2000.0
    """Messages of dialogs, and responses."""
    following_burst: float = 4000.0
    following_share: float = 400.0
    following_share_burst: float = 1000.0
    strained: float = 60.0
    """Requests outside a dialog of sources that have not proved themselves, while the event loop lags."""
    strained_burst: float = 30.0
    trusted: float = 2000.0
    """Everything of one trusted address."""
    trusted_burst: float = 4000.0
    failures: int = 10
    """So many wrong digests of one source …"""
    failures_s: float = 600.0
    """… in this time, and it is blocked …"""
    block_s: float = 60.0
    """… for so long at first, four times as long each time after,"""
    longest_block_s: float = 86_400.0
    """at most so long."""


@dataclass(frozen=True, slots=True)
class Block:
    """A source that is kept out."""

    host: str
    """An address that it came from; for IPv6 its whole /64 is meant."""
    why: str
    until_s: float
    """On the clock of the calls that made it."""
    times: int
    """How often it has been blocked, this time included."""


class _Bucket:
    __slots__ = ("at_s", "burst", "level", "rate")

    def __init__(self, rate: float, burst: float, now_s: float) -> None:
        self.rate = rate
        self.burst = burst
        self.level = burst
        self.at_s = now_s

    def fill(self, now_s: float) -> float:
        """Tokens there now."""
        if now_s > self.at_s:
            level = self.level + (now_s - self.at_s) * self.rate
            self.level = level if level < self.burst else self.burst
            self.at_s = now_s
        return self.level


class _Source:
    __slots__ = ("following", "opening", "proved", "told_s", "trusted")

    def __init__(self, rates: Rates, trusted: bool, now_s: float) -> None:
        self.trusted = trusted
        self.proved = False
        self.told_s = float("-inf")
        if trusted:
            self.opening = self.following = _Bucket(rates.trusted, rates.trusted_burst, now_s)
        else:
            self.opening = _Bucket(rates.share, rates.share_burst, now_s)
            self.following = _Bucket(rates.following_share, rates.following_share_burst, now_s)


class FloodGuard:
    """Decides for each message whether it is looked at. Constant time and bounded memory, whatever arrives.

    Args:
        rates: how much is let in.
        on_event: told of blocks, and now and then of refusals.
        trusted: networks (``192.0.2.0/24``) or addresses, see `trust`.
    """

    def __init__(
        self, rates: Rates | None = None, on_event: OnEvent = ignore_event, trusted: Iterable[str] = ()
    ) -> None:
        self.rates = rates or Rates()
        self.refused: Counter[str] = Counter()
        """Messages turned away, by reason: ``rate``, ``overload``, ``blocked``, ``scanner``."""
        self._on_event = on_event
        self._sources: OrderedDict[Key, _Source] = OrderedDict()
        self._failures: OrderedDict[Key, tuple[int, float]] = OrderedDict()
        """How many wrong digests since when."""
        self._doubted: OrderedDict[Key, tuple[int, float]] = OrderedDict()
        """The same of those that may not have come from the source that they name."""
        self._blocks: OrderedDict[Key, Block] = OrderedDict()
        self._opening = _Bucket(self.rates.opening, self.rates.opening_burst, 0.0)
        self._following = _Bucket(self.rates.following, self.rates.following_burst, 0.0)
        self._strained = _Bucket(self.rates.strained, self.rates.strained_burst, 0.0)
        self._strained_until_s = float("-inf")
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        self.trust(trusted)

    def trust(self, networks: Iterable[str]) -> None:
        """Replace the trusted networks. Raises ValueError for what is none; then nothing is changed."""
        self._networks = [ipaddress.ip_network(network, strict=False) for network in networks]
        self._sources.clear()

    def admits(self, host: str, now_s: float, data: bytes = b"") -> bool:
        """Whether a message is to be looked at.

        Args:
            host: the address it came from, without brackets.
            data: the message, of which only the first line, To and a scanner's name are looked at. Without it the
                message counts as one that opens something.
        """
        key = source_key(host)
        source = self._sources.get(key)
        if source is None:
            source = self._meet(key, host, now_s)
        else:
            self._sources.move_to_end(key)
        head = data[:PEEK_BYTES].lower()
        if _follows(head):  # of a blocked source too: its live calls go on
            common = None if source.trusted else self._following
            return _take(source.following, common, now_s) or self._refuse("rate", host, source, now_s)
        if self._blocks and self._is_blocked(key, now_s):
            return self._refuse("blocked", host, source, now_s)
        if source.trusted:
            return _take(source.opening, None, now_s) or self._refuse("rate", host, source, now_s)
        if any(name in head for name in _SCANNERS):
            return self._refuse("scanner", host, source, now_s)
        if now_s < self._strained_until_s and not source.proved:
            if self._strained.fill(now_s) < 1.0:
                return self._refuse("overload", host, source, now_s)
            self._strained.level -= 1.0
        level = self._opening.fill(now_s)
        if source.opening.fill(now_s) >= 1.0:
            keep = 0.0 if source.proved else self._opening.burst / 8
            if level >= keep + 1.0:
                source.opening.level -= 1.0
                self._opening.level -= 1.0
                return True
        elif level >= self._opening.burst / 4 + 1.0:
            self._opening.level -= 1.0
            return True
        return self._refuse("rate", host, source, now_s)

    def strain(self, until_s: float) -> None:
        """The event loop lags: let in much less until then of what strangers want to open."""
        self._strained_until_s = max(self._strained_until_s, until_s)

    def proved(self, host: str, now_s: float) -> None:
        """A call of this source was answered and acknowledged, or its digest was right: no forged address."""
        key = source_key(host)
        (self._sources.get(key) or self._meet(key, host, now_s)).proved = True

    def failed(self, host: str, now_s: float, why: str = "wrong digests", *, certain: bool) -> bool:
        """A wrong digest came from this source; too many in too short a time block it.

        `certain`: its address is no forgery (a connection, or the answer to a challenge that we sent there). What is
        not certain blocks nobody, or anybody could keep others out.

        Returns whether this one is to be refused outright, instead of challenged again.
        """
        key = source_key(host)
        if self._is_blocked(key, now_s):
            return True
        tally = self._failures if certain else self._doubted
        number, began_s = tally.pop(key, (0, now_s))
        if now_s - began_s > self.rates.failures_s:
            number, began_s = 0, now_s
        outright = number + 1 >= self.rates.failures
        if outright and certain:
            self.block(host, now_s, why=why)
            return True
        tally[key] = (number + 1, began_s)
        if len(tally) > MAX_SOURCES:
            tally.popitem(last=False)
        return outright

    def block(self, host: str, now_s: float, seconds: float | None = None, why: str = "by an operator") -> Block:
        """Keep a source out; `seconds` None: for longer each time."""
        key = source_key(host)
        before = self._blocks.pop(key, None)
        times = 1 + (before.times if before is not None and now_s - before.until_s < FORGET_S else 0)
        if seconds is None:
            seconds = min(self.rates.block_s * 4 ** min(times - 1, 20), self.rates.longest_block_s)
        block = self._blocks[key] = Block(host, why, now_s + seconds, times)
        self._failures.pop(key, None)
        if len(self._blocks) > MAX_BLOCKS:
            self._blocks.popitem(last=False)
        self._on_event(SourceBlocked(host, why, seconds))
        return block

    def unblock(self, host: str) -> bool:
        """Let a source in again and forget what it did. Returns whether it was blocked or had been."""
        key = source_key(host)
        self._failures.pop(key, None)
        block = self._blocks.pop(key, None)
        if block is not None:
            self._on_event(SourceBlocked(host, "unblocked", 0.0))
        return block is not None

    def blocked(self, now_s: float) -> list[Block]:
        """Who is kept out now, the longest known first."""
        return [block for block in self._blocks.values() if block.until_s > now_s]

    def _meet(self, key: Key, host: str, now_s: float) -> _Source:
        source = self._sources[key] = _Source(self.rates, self._is_trusted(host), now_s)
        if len(self._sources) > MAX_SOURCES:
            self._sources.popitem(last=False)
        return source

    def _is_trusted(self, host: str) -> bool:
        if not self._networks:
            return False
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks if network.version == address.version)

    def _is_blocked(self, key: Key, now_s: float) -> bool:
        block = self._blocks.get(key)
        return block is not None and block.until_s > now_s

    def _refuse(self, why: Why, host: str, source: _Source, now_s: float) -> bool:
        self.refused[why] += 1
        if now_s - source.told_s >= TELL_EVERY_S:
            source.told_s = now_s
            self._on_event(SourceRefused(why, host))
        return False


def _take(own: _Bucket, common: _Bucket | None, now_s: float) -> bool:
    """Take a token of each, or none."""
    if own.fill(now_s) < 1.0 or (common is not None and common.fill(now_s) < 1.0):
        return False
    own.level -= 1.0
    if common is not None:
        common.level -= 1.0
    return True


def _follows(head: bytes) -> bool:
    """Whether this belongs to something that has begun: a response, or a To tag. `head` is lower case."""
    if head.startswith(_FOLLOWING):
        return True
    to = _TO.search(head)
    return to is not None and _TAG.search(to[1]) is not None


def source_key(host: str) -> Key:
    """What the counts of a source are kept by."""
    if ":" not in host:
        return host
    try:
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except OSError:
        return host
    if packed.startswith(b"\0\0\0\0\0\0\0\0\0\0\xff\xff"):
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return packed[:8]
