"""The called parties that one INVITE of ours rings: their early dialogs, reliable responses and early media.

A fork makes several (RFC 3261 section 13.2.2.4). The media follow the one that sent a session description last.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from ...sdp.negotiation import Negotiation, SdpError
from ...sip.body import sdp_of
from ...sip.dialog import Dialog
from ...sip.hop import Hop
from ...sip.message import Request, Response, SipError
from ..dialog.early import EarlyDialog, PickUp
from ..dialog.reliable_provisional import ReliableReceiver, is_reliable
from .call_request import CallProgress, CallRequest

MAX_BRANCHES = 16
"""Forks that are followed; more only ring."""

log = logging.getLogger(__name__)


class ForkBranch:
    """One of the called parties."""

    def __init__(self, negotiation: Negotiation) -> None:
        self.negotiation = negotiation
        self.receiver = ReliableReceiver()
        self.early: EarlyDialog | None = None


class EarlyDialogs:
    """What is known of an INVITE before its final response.

    Args:
        call: what is wanted.
        negotiation: has made the offer.
        pick_up: see `EarlyDialog`.
    """

    def __init__(self, call: CallRequest, negotiation: Negotiation, pick_up: PickUp) -> None:
        self._call = call
        self._negotiation = negotiation
        self._pick_up = pick_up
        self._branches: dict[str, ForkBranch] = {}
        self._audible: ForkBranch | None = None
        self._muted = False
        """The called party's network takes no audio of ours yet."""

    def forget(self) -> None:
        """The INVITE has its final response, or another try takes its place."""
        for branch in self._branches.values():
            if branch.early is not None:
                self._call.dialogs.remove_early(branch.early)

    def on_progress(self, invite: Request, hop: Hop, response: Response) -> None:
        """Take in a provisional response, 101 to 199."""
        branch = self._branch_of(invite, hop, response)
        if branch is not None:
            rack = branch.receiver.rack(response)
            if rack is None and is_reliable(response):
                return  # seen before, or before its time
            answer = self._read_body(branch, response)
            if rack is not None and branch.early is not None:
                branch.early.settled = not branch.negotiation.offering
                branch.early.request("PRACK", [("RAck", rack)], answer, None)
        self._call.on_progress(CallProgress(response.code, response.phrase, self._audible is not None))

    def count(self, dialog: Dialog) -> None:
        """Go on counting in a confirmed dialog where its early one stopped, after the PRACKs."""
        branch = self._branches.get(dialog.remote_tag)
        if branch is not None and branch.early is not None:
            dialog.local_seq = max(dialog.local_seq, branch.early.dialog.local_seq)
            dialog.remote_seq = branch.early.dialog.remote_seq

    def answered(self, dialog: Dialog, response: Response) -> Negotiation:
        """The negotiation of the called party that has answered; the media are its own from now on."""
        self.forget()
        branch = self._branches.get(dialog.remote_tag)
        if branch is None:
            return self._fork()
        negotiation = branch.negotiation
        if negotiation.agreed is not None:
            if not sdp_of(response):  # said before, in a response that was perhaps not even reliable
                negotiation.offering = False
            if self._audible is not branch or self._muted:
                negotiation.media.connect(negotiation.agreed, negotiation.source_host)
        return negotiation

    def _fork(self) -> Negotiation:
        """The state of one called party's offer and answer."""
        negotiation = self._negotiation.fork()
        negotiation.offering = not self._call.late_offer
        return negotiation

    def _branch_of(self, invite: Request, hop: Hop, response: Response) -> ForkBranch | None:
        tag = response.head.to.tag
        if not tag:
            return None
        branch = self._branches.get(tag)
        if branch is None:
            if len(self._branches) >= MAX_BRANCHES:
                return None
            branch = self._branches[tag] = ForkBranch(self._fork())
        if branch.early is None and response.headers.get("Contact"):
            try:
                dialog = Dialog.as_client(invite, response, hop)
            except SipError as error:
                log.info(
                    "an early dialog cannot be made", extra={"sip_call_id": invite.head.call_id, "why": str(error)}
                )
                return branch
            branch.early = EarlyDialog(self._call.endpoint, dialog, branch.negotiation, pick_up=self._pick_up)
            self._call.dialogs.add_early(branch.early)
        return branch

    def _read_body(self, branch: ForkBranch, response: Response) -> bytes:
        """Take the session description of a provisional response; returns our answer when it is an offer."""
        negotiation = branch.negotiation
        body = sdp_of(response)
        if not body:
            return b""
        before = negotiation.agreed
        reliable = is_reliable(response)
        try:
            if negotiation.offering:
                negotiation.accept(body, early=not reliable)
                answer = b""
            elif reliable and self._call.late_offer and before is None:
                answer = negotiation.answer(body)
            else:
                return b""
        except SdpError as error:
            log.info("early media cannot be used", extra={"sip_call_id": response.head.call_id, "why": str(error)})
            return b""
        self._hear(branch, response, renewed=negotiation.agreed != before)
        return answer

    def _hear(self, branch: ForkBranch, response: Response, renewed: bool) -> None:
        """Let the media follow the latest called party (RFC 3261 section 13.2.1), as far as it may (RFC 5009)."""
        negotiation = branch.negotiation
        if negotiation.agreed is None:
            return
        both, backward = early_media_allowed(response)
        self._muted = not both
        if self._muted:
            self._call.media.connect(replace(negotiation.agreed, direction="recvonly"), negotiation.source_host)
        elif self._audible is not branch and not renewed:
            self._call.media.connect(negotiation.agreed, negotiation.source_host)
        self._audible = branch if backward else None


def early_media_allowed(response: Response) -> tuple[bool, bool]:
    """Whether audio may go both ways, and whether the called party's may be heard, before the answer.

    P-Early-Media is a network's word on it (RFC 5009 section 8); without one both may.
    """
    value = response.headers.get("P-Early-Media")
    if value is None:
        return True, True
    directions = {item.partition(";")[0].strip().lower() for item in value.split(",")}
    backward = bool(directions & {"sendrecv", "sendonly"})
    return backward and "sendrecv" in directions, backward
