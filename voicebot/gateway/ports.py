"""Whether the ports can be opened, asked before anything is loaded: one line names all that cannot."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from telephony.media.engine import free_pair
from telephony.sip.listen_sockets import ListenConfig, family_of, refused_sockets
from telephony.sip.tls import TlsServer
from voicebot.config import Config, HttpSettings, SipSettings
from voicebot.errors import VoicebotError

REMEDIES = {
    errno.EADDRINUSE: "stop what uses it (ss -lunpt shows it), or choose another port ({keys})",
    errno.EADDRNOTAVAIL: "listen on an address of this machine (ip address shows them; {keys})",
    errno.EACCES: "choose a port above 1023 ({keys}), or give the program CAP_NET_BIND_SERVICE",
}


def check_ports(config: Config) -> None:
    """Raises VoicebotError with one line for all ports that are taken, and what to do about it."""
    refused = [*_sip(config.sip), *_rtp(config), *_http(config.http)]
    if refused:
        raise cannot_listen([error for error, _ in refused], ", ".join(dict.fromkeys(key for _, key in refused)))


def cannot_listen(errors: list[OSError], keys: str = "sip: port, http: port") -> VoicebotError:
    """What a person is told of ports that cannot be opened.

    Args:
        errors: at least one, with words.
        keys: of the configuration, that say which ports these are.
    """
    numbers = {error.errno for error in errors}
    remedies = [words.format(keys=keys) for number, words in REMEDIES.items() if number in numbers]
    words = "; ".join(error.strerror or str(error) for error in errors)
    return VoicebotError(f"cannot listen: {words}", "; ".join(remedies))


def _sip(sip: SipSettings) -> Iterator[tuple[OSError, str]]:
    tls = None if sip.tls is None else TlsServer(sip.tls.cert, sip.tls.key, sip.tls.clients)
    listening = ListenConfig(sip.addresses, sip.port, tls=tls, tls_port=5061 if sip.tls is None else sip.tls.port)
    for kind, error in refused_sockets(listening):
        key = "sip: listen" if error.errno == errno.EADDRNOTAVAIL else "sip: port"
        yield error, "sip: tls: port" if kind == "TLS" and key == "sip: port" else key


def _rtp(config: Config) -> Iterator[tuple[OSError, str]]:
    first, last = config.rtp.first_port, config.rtp.last_port
    for host in config.sip.addresses:
        if _is_ours(host) and free_pair(host, first, last) is None:  # SIP has told what is wrong with an address
            words = f"no two neighbouring RTP ports from {first} to {last} (UDP) are free on {host}"
            yield OSError(errno.EADDRINUSE, words), "rtp: first_port, last_port"


def _is_ours(host: str) -> bool:
    with socket.socket(family_of(host), socket.SOCK_DGRAM) as one:
        try:
            one.bind((host, 0))
        except OSError:
            return False
    return True


def _http(http: HttpSettings) -> Iterator[tuple[OSError, str]]:
    try:
        found = socket.getaddrinfo(http.listen, http.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        yield OSError(errno.EADDRNOTAVAIL, f"HTTP: {http.listen} is no address ({error.strerror})"), "http: listen"
        return
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                one.bind(address)
                one.listen(1)
            except OSError as error:
                taken = error.errno == errno.EADDRINUSE
                why = "is taken by another program" if taken else f"cannot be opened ({error.strerror})"
                key = "http: listen" if error.errno == errno.EADDRNOTAVAIL else "http: port"
                yield OSError(error.errno, f"HTTP port {http.port} on {http.listen} {why}"), key
