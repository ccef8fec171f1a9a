"""The 49 messages of RFC 4475, byte for byte as its appendix has them (``NAME.dat``), and what it lets a server answer.

Written down anew from the text of the RFC; the names are its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Torture:
    """One message and its right answers."""

    section: str
    answers: tuple[int, ...]
    """Final statuses that the RFC allows a user agent; empty: no answer at all."""
    why: str

    @property
    def silent(self) -> bool:
        """Whether it must not be answered."""
        return not self.answers


TAKEN = (200, 404, 480, 486, 488)
"""Of an INVITE that is in order: what the callee makes of it."""
UNWANTED = (405, 501)
"""Of a method that is not ours."""
REGISTERED = (401, 403, 404, *UNWANTED)
"""Of a REGISTER by somebody we do not know; a registrar that knows him takes it."""

MESSAGES = {
    "wsinv": Torture("3.1.1.1", (481,), "well-formed, with a To tag of no dialog of ours"),
    "intmeth": Torture("3.1.1.2", UNWANTED, "a method of every character that a token may have"),
    "esc01": Torture("3.1.1.3", TAKEN, "escaped characters in URIs"),
    "escnull": Torture("3.1.1.4", REGISTERED, "escaped NULs in URIs"),
    "esc02": Torture("3.1.1.5", UNWANTED, "% is no escape outside URIs: RE%47IST%45R is not REGISTER"),
    "lwsdisp": Torture("3.1.1.6", (200,), "no space between a name and its bracket"),
    "longreq": Torture("3.1.1.7", TAKEN, "long values and 34 hops"),
    "dblreq": Torture("3.1.1.8", REGISTERED, "one answer: what follows the body is noise"),
    "semiuri": Torture("3.1.1.9", (200,), "a semicolon in the user part"),
    "transports": Torture("3.1.1.10", (200,), "unknown transports in hops"),
    "mpart01": Torture("3.1.1.11", (200, 405, 415, 501), "a body with NULs"),
    "unreason": Torture("3.1.1.12", (), "a response"),
    "noreason": Torture("3.1.1.13", (), "a response"),
    "badinv01": Torture("3.1.2.1", (400,), "separators without anything between them"),
    "clerr": Torture("3.1.2.2", (400,), "Content-Length beyond the datagram"),
    "ncl": Torture("3.1.2.3", (400,), "a negative Content-Length"),
    "scalar02": Torture("3.1.2.4", (400,), "numbers out of range"),
    "scalarlg": Torture("3.1.2.5", (), "a response with numbers out of range"),
    "quotbal": Torture("3.1.2.6", (400,), "a quote that does not end"),
    "ltgtruri": Torture("3.1.2.7", (400,), "brackets around the Request-URI"),
    "lwsruri": Torture("3.1.2.8", (400,), "white space in the Request-URI"),
    "lwsstart": Torture("3.1.2.9", (400, *TAKEN), "more than one space in the first line"),
    "trws": Torture("3.1.2.10", (400, 200), "spaces behind the first line"),
    "escruri": Torture("3.1.2.11", (400, *TAKEN), "headers in the Request-URI"),
    "baddate": Torture("3.1.2.12", (400, *TAKEN), "a time zone that is not GMT, in a header of no importance"),
    "regbadct": Torture("3.1.2.13", (400, *REGISTERED), "a ? in a Contact without brackets"),
    "badaspec": Torture("3.1.2.14", (400, 200), "spaces inside the brackets of an address"),
    "baddn": Torture("3.1.2.15", (400, 200), "a comma in a name without quotes"),
    "badvers": Torture("3.1.2.16", (505,), "SIP/7.0"),
    "mismatch01": Torture("3.1.2.17", (400,), "CSeq with another method"),
    "mismatch02": Torture("3.1.2.18", (400, 501), "CSeq with another method than the unknown one"),
    "bigcode": Torture("3.1.2.19", (), "a response with a status beyond 32 bits"),
    "badbranch": Torture("3.2.1", (200,), "a branch of nothing but the magic cookie"),
    "insuf": Torture("3.3.1", (400,), "neither Call-ID nor From nor To"),
    "unkscm": Torture("3.3.2", (416,), "an unknown scheme"),
    "novelsc": Torture("3.3.3", (416,), "a known scheme that is not SIP's"),
    "unksm2": Torture("3.3.4", (400, *REGISTERED), "unknown schemes in To, From and Contact"),
    "bext01": Torture("3.3.5", (420,), "unknown extensions are required"),
    "invut": Torture("3.3.6", (415,), "an unknown body"),
    "regaut01": Torture("3.3.7", REGISTERED, "an unknown scheme of authentication"),
    "multi01": Torture("3.3.8", (400,), "headers twice that may be there once"),
    "mcl01": Torture("3.3.9", (400,), "two different Content-Lengths"),
    "bcast": Torture("3.3.10", (), "a response with a second hop, which is the broadcast address"),
    "zeromf": Torture("3.3.11", (200, 483), "Max-Forwards 0 reaches whom it is for"),
    "cparam01": Torture("3.3.12", REGISTERED, "an unknown parameter of Contact"),
    "cparam02": Torture("3.3.13", REGISTERED, "an unknown parameter of the URI in Contact"),
    "regescrt": Torture("3.3.14", REGISTERED, "a header in the URI of Contact"),
    "sdp01": Torture("3.3.15", (406, *TAKEN), "an answer in SDP is not accepted"),
    "inv2543": Torture("3.4.1", TAKEN, "RFC 2543: no branch, tag, Max-Forwards, Content-Length or Contact"),
}


def data(name: str) -> bytes:
    """The message."""
    return (Path(__file__).parent / f"{name}.dat").read_bytes()
