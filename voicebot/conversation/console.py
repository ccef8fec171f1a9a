"""Talking to a flow in the terminal: what is typed is heard, and every turn shows what the dialog made of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from voicebot.conversation.engine import Conversation
from voicebot.flows.flow import Flow
from voicebot.messages import Act, Do, End, Handover, Heard, Listen, Result, Say
from voicebot.nlu.intents import Understanding

HELP = "Type what you would say. An empty line is silence, #471102 keys digits, /quit hangs up."


async def chat(
    flow: Flow,
    understanding: Understanding,
    run: Callable[[Do], Awaitable[Result]],
    read_line: Callable[[], Awaitable[str | None]],
    write: Callable[[str], None],
    now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
) -> str:
    """Hold one conversation.

    Args:
        run: does backend actions.
        read_line: the next typed line without its end; None when there is no more.
        write: shows one line.
        now: the moment of speaking.

    Returns:
        The outcome of the call.
    """
    talk = Conversation(flow, understanding, now=now)
    write(HELP)
    acts = talk.start()
    while True:
        for act in acts:
            if isinstance(act, Say):
                write(f"bot  {'(something secret)' if act.secret else act.text}")
        last = acts[-1]
        if isinstance(last, Do):
            result = await run(last)
            write(f"     ~ {last.action}: {'ok' if result.ok else result.error}")
            acts = talk.result(result)
        elif isinstance(last, Handover):
            write(f"     ~ handover to {last.target} ({last.reason}): {last.summary}")
            return talk.snapshot.outcome
        elif isinstance(last, End):
            write(f"     ~ end: {last.outcome}")
            return last.outcome
        else:
            line = await read_line()
            if line is None or line.strip() == "/quit":
                talk.hung_up()
                write(f"     ~ hung up: {talk.snapshot.outcome}. {talk.summary}")
                return talk.snapshot.outcome
            acts = _turn(talk, line.strip())
            write(_shown(talk, acts))


def _turn(talk: Conversation, line: str) -> list[Act]:
    if not line:
        return talk.silence()
    if line[0] in "#*" or (line == "0"):
        return talk.hear(Heard(line.lstrip("#") or "#", source="keys"))
    return talk.hear(Heard(line, source="text"))


def _shown(talk: Conversation, acts: list[Act]) -> str:
    """One line about a turn: rule, intent with confidence and band, slots, the step that waits now."""
    made, at = talk.last_decision, talk.snapshot
    intent = f"  {made.intent} {made.confidence:.2f} {made.band}" if made.intent else ""
    found = "".join(f"  {name}={value}" for name, value in made.slots.items())
    waits = acts[-1].expect.kind if isinstance(acts[-1], Listen) else type(acts[-1]).__name__.lower()
    failed = f"  failures {made.failures}" if made.failures else ""
    return f"     · {made.rule}{intent}{found}{failed}  → {at.step} ({waits})"
