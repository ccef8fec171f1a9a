"""Answers SIP calls, plays back what it hears and sends back the keys pressed; # ends the call."""

from telephony import IncomingCall
from telephony.examples.commandline import arguments, run


async def echo(call: IncomingCall) -> None:
    """One call, from the INVITE to its end."""
    leg = await call.answer()

    def on_key(key: str) -> None:
        if key == "#":
            leg.end()
        else:
            leg.send_dtmf(key)

    leg.on_audio = leg.play
    leg.on_dtmf = on_key
    await leg.closed


if __name__ == "__main__":
    run(echo, arguments(__doc__).parse_args())
