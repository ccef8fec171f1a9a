"""Remembers audio that was already made, the least used forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from telephony.leg import Pcm

AudioKey = tuple[str, str, int]
"""Voice (its speed included), words as they are spoken, sample rate."""


class AudioCache:
    """Audio by `AudioKey`, bounded in bytes. Use it on one thread only.

    Args:
        max_bytes: of all audio kept; one clip larger than a quarter of it is not kept at all.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._clips: OrderedDict[AudioKey, Pcm] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._clips)

    def __contains__(self, key: AudioKey) -> bool:
        return key in self._clips

    def get(self, key: AudioKey) -> Pcm | None:
        """The audio, which becomes the last to be forgotten; None when it is not there."""
        clip = self._clips.get(key)
        if clip is not None:
            self._clips.move_to_end(key)
        return clip

    def forget(self, droppable: Callable[[AudioKey], bool]) -> None:
        """Forget all that `droppable` agrees to."""
        for key in [key for key in self._clips if droppable(key)]:
            self.bytes -= self._clips.pop(key).nbytes

    def put(self, key: AudioKey, pcm: Pcm) -> None:
        """Keep a copy nobody can write to, and forget others for it."""
        if pcm.nbytes > self._max // 4:
            return
        self.bytes -= self._clips.pop(key).nbytes if key in self._clips else 0
        clip = pcm.copy()
        clip.setflags(write=False)
        self._clips[key] = clip
        self.bytes += clip.nbytes
        while self.bytes > self._max:
            _, forgotten = self._clips.popitem(last=False)
            self.bytes -= forgotten.nbytes
