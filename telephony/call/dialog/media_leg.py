"""The part of a leg that is its media session: what it plays, hears and counts."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager

from ...clock import now_s
from ...leg import AudioHandler, DtmfHandler, Pcm
from ...media.session import MediaSession
from ...media.stats import MediaStats
from ...sip.endpoint import Endpoint
from .dtmf_dedup import DtmfDedup, DtmfPath

UNAGREED_EVENTS = (
    "key presses come as telephone events of payload type {0}, which was not agreed. They are taken, and tones are not "
    "listened for meanwhile. The peer should put {0} in its m= line, with "
    "a=rtpmap:{0} telephone-event/8000"
)

log = logging.getLogger(__name__)


class MediaLeg:
    """See `telephony.leg.Leg`.

    Args:
        media: an open session.
        call_id: of the dialog.
        endpoint: gets remarks on the call.
    """

    def __init__(self, media: MediaSession, call_id: str, endpoint: Endpoint) -> None:
        self.media = media
        self.id = call_id
        self.endpoint = endpoint
        self.on_dtmf: DtmfHandler | None = media.on_dtmf
        """Gets each key pressed, in RTP or by INFO."""
        self._keypad = DtmfDedup()
        media.on_dtmf = lambda key: self._heard(key, "media")
        media.on_unagreed_events = self._on_unagreed_events

    def on_life(self) -> None:
        """Signalling has shown that the peer is there."""
        self.media.show_life()

    def silence_excused(self) -> AbstractContextManager[None]:
        """See `Leg`."""
        return self.media.silence_excused()

    def on_info_key(self, key: str, held_s: float) -> None:
        """A key was pressed by INFO, for so long if it says so; it may come in RTP as well."""
        self._heard(key, "info", held_s)

    def _on_unagreed_events(self, payload_type: int) -> None:
        words = UNAGREED_EVENTS.format(payload_type)
        log.warning(words, extra={"sip_call_id": self.id, "trunk": self.media.terms.trunk})
        self.endpoint.remark(self.id, words)

    def _heard(self, key: str, way: DtmfPath, held_s: float = 0.0) -> None:
        if self._keypad.is_new(key, way, now_s(), held_s) and self.on_dtmf is not None:
            self.on_dtmf(key)

    @property
    def rate_hz(self) -> int:
        """Of `play` and `on_audio`."""
        return self.media.rate_hz

    @property
    def on_audio(self) -> AudioHandler | None:
        """Gets each block heard."""
        return self.media.on_audio

    @on_audio.setter
    def on_audio(self, handler: AudioHandler | None) -> None:
        self.media.on_audio = handler

    @property
    def played_samples(self) -> int:
        """Handed to the network so far."""
        return self.media.played_samples

    @property
    def queued_samples(self) -> int:
        """Given to `play` and not sent yet."""
        return self.media.queued_samples

    def play(self, pcm: Pcm) -> None:
        """Append audio to what is being sent; dropped when the session is over."""
        if not self.media.closed:
            self.media.play(pcm)

    def flush(self) -> int:
        """Drop what is queued. Returns the number of samples."""
        return self.media.flush()

    def stats(self) -> MediaStats:
        """Counters of the media."""
        return self.media.stats()
