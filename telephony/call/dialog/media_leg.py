"""The part of a leg that is its media session: what it plays, hears and counts."""

from __future__ import annotations

from contextlib import AbstractContextManager

from ...clock import now_s
from ...leg import AudioHandler, DtmfHandler, Pcm
from ...media.session import MediaSession
from ...media.stats import MediaStats
from .dtmf_dedup import DtmfDedup, DtmfPath


class MediaLeg:
    """See `telephony.leg.Leg`.

    Args:
        media: an open session.
    """

    def __init__(self, media: MediaSession) -> None:
        self.media = media
        self.on_dtmf: DtmfHandler | None = media.on_dtmf
        """Gets each key pressed, in RTP or by INFO."""
        self._keypad = DtmfDedup()
        media.on_dtmf = lambda key: self._heard(key, "media")

    def on_life(self) -> None:
        """Signalling has shown that the peer is there."""
        self.media.show_life()

    def silence_excused(self) -> AbstractContextManager[None]:
        """See `Leg`."""
        return self.media.silence_excused()

    def on_info_key(self, key: str) -> None:
        """A key was pressed by INFO; it may come in RTP as well."""
        self._heard(key, "info")

    def _heard(self, key: str, way: DtmfPath) -> None:
        if self._keypad.is_new(key, way, now_s()) and self.on_dtmf is not None:
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
