"""One SIP call as a Pipecat transport."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pipecat.pipeline.worker import PipelineParams
from pipecat.transports.base_transport import BaseTransport, TransportParams

from ..agent import OnCall
from ..call.dialog.refer_out import TransferResult
from ..call.dialog.sipleg import SipLeg
from ..call.inbound.incoming import IncomingCall
from ..leg import LegError
from .input import SipInput
from .output import SipOutput
from .transport_call import TransportCall

TELEPHONE_HZ = 8000


def sip_params(**more: Any) -> TransportParams:
    """Audio both ways and no silence after the last word: that would only keep the line busy. `more` is Pipecat's."""
    return TransportParams(
        **{"audio_in_enabled": True, "audio_out_enabled": True, "audio_out_end_silence_secs": 0, **more}
    )


class SipTransport(BaseTransport):
    """A call for one pipeline.

    An incoming call rings while the pipeline starts, and is answered when it has; an answered leg (``await
    agent.call(…)`` places calls) is taken as it is, and what the other party said meanwhile is not lost. An EndFrame
    hangs up after the last word, a CancelFrame at once.

    Event handlers available:

    - on_client_connected(transport, leg): the pipeline and the caller hear each other.
    - on_client_disconnected(transport, leg): the call is over, and not because the pipeline has ended;
      ``leg.ended_by`` says why. As with Pipecat's other transports, the bot ends the pipeline: ``worker.cancel()``.
    - on_dialin_error(transport, error): the call could not be answered (a LegError, 487 when the caller gave up
      first); the pipeline is cancelled.
    - on_dtmf_event(transport, key): also of A to D, for which Pipecat has no frame.

    Args:
        call: an incoming call, or an answered leg.
        params: see `sip_params`, which are the default. Raises ValueError for anything but mono, and for an output rate
            that is not 8000 or 16000 Hz.
    """

    def __init__(
        self,
        call: IncomingCall | SipLeg,
        params: TransportParams | None = None,
        *,
        input_name: str | None = None,
        output_name: str | None = None,
    ) -> None:
        super().__init__(input_name=input_name, output_name=output_name)
        self._params = _checked(params or sip_params())
        self._call = TransportCall(call, self._call_event_handler)
        self._input: SipInput | None = None
        self._output: SipOutput | None = None
        for event in ("on_client_connected", "on_client_disconnected", "on_dialin_error", "on_dtmf_event"):
            self._register_event_handler(event)

    @property
    def incoming(self) -> IncomingCall | None:
        """Who calls whom, by which trunk and with which headers; None for a call of ours."""
        return self._call.incoming

    @property
    def leg(self) -> SipLeg | None:
        """The answered call, with all that SIP can do beyond audio (hold, INFO, statistics); None before."""
        return self._call.leg

    def input(self) -> SipInput:
        """What the caller says and presses."""
        if self._input is None:
            self._input = SipInput(self._call, self._params, self._call_event_handler, name=self._input_name)
        return self._input

    def output(self) -> SipOutput:
        """What the caller is to hear."""
        if self._output is None:
            self._output = SipOutput(self._call, self._params, name=self._output_name)
        return self._output

    def get_client_id(self, client: SipLeg) -> str:
        """Call-ID."""
        return str(client.id)

    def pipeline_params(self, **more: Any) -> PipelineParams:
        """Rates that spare resampling: 8000 Hz both ways, or the leg's when it is known; `more` is Pipecat's."""
        rate_hz = TELEPHONE_HZ if self.leg is None else self.leg.rate_hz
        return PipelineParams(**{"audio_in_sample_rate": rate_hz, "audio_out_sample_rate": rate_hz, **more})

    async def transfer(self, uri: str = "", replaces: SipLeg | None = None) -> TransferResult:
        """Have the caller call `uri` instead, or speak with the party of our other leg; see `SipLeg.transfer`.

        Raises LegError when that did not work: the call goes on.
        """
        if self.leg is None:
            raise LegError(481, "Not Answered Yet")
        return await self.leg.transfer(uri, replaces)

    async def hang_up(self) -> None:
        """End the call now, whatever is still being said. A pipeline does so by itself when it ends."""
        if self.leg is not None:
            await self.leg.hang_up()
        elif self.incoming is not None:
            self.incoming.reject(480)


Bot = Callable[[SipTransport], Awaitable[None]]


def calls_to(bot: Bot, params: TransportParams | None = None) -> OnCall:
    """Have each incoming call taken by a bot of its own, which returns when its pipeline has ended.

    `params` are copied for each call; a mixer or filter in them would be shared, which bots with such build their own.
    """

    async def on_call(incoming: IncomingCall) -> None:
        transport = SipTransport(incoming, None if params is None else params.model_copy())
        try:
            await bot(transport)
        finally:
            await transport.hang_up()

    return on_call


def _checked(params: TransportParams) -> TransportParams:
    if params.audio_in_channels != 1 or params.audio_out_channels != 1:
        raise ValueError("a SIP call is mono: leave audio_in_channels and audio_out_channels at 1")
    if params.audio_out_sample_rate not in (None, 8000, 16000):
        raise ValueError("leave audio_out_sample_rate out, or make it 8000 or 16000: Pipecat converts what bots say")
    if params.audio_out_filter is not None and params.audio_out_sample_rate is None:
        return params.model_copy(update={"audio_out_sample_rate": TELEPHONE_HZ})  # it is told before the call is known
    return params
