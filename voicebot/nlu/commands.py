"""What may be said at any time: the words themselves for the plain forms, examples for the classifier for the rest."""

from __future__ import annotations

import re

from voicebot.nlu.specs import Command

_SAID: dict[Command, str] = {
    "person": """
        a person please / can i talk to a human / i want to speak to somebody / give me an operator / agent /
        representative / let me talk to a real person / connect me to an agent / i would rather speak with
        someone / get me your manager / put me through to customer service / is there a human i can talk to /
        i do not want to talk to a machine / transfer me to a colleague / please get me a live agent / i need
        to speak to a supervisor / can somebody help me in person / stop i want a human being / talk to
        support staff / operator please
    """,
    "repeat": """
        repeat that / say that again / pardon / what did you say / can you repeat the question / sorry i did
        not catch that / one more time please / i did not hear you / come again / could you say that once more
        / what was that / i could not understand what you said / please repeat
    """,
    "back": """
        go back / one step back / back please / go back to the previous question / i want to change my last
        answer / can we go back / return to the previous step / let me answer that again
    """,
    "help": """
        help / what can you do / what can i say / i do not know what to say / what are my options / how does
        this work / what are you able to help with / give me the options / can you explain what you can do / i
        need help with this system
    """,
    "restart": """
        start over / start again from the beginning / main menu / back to the beginning / restart / let us
        start over / can we begin again / take me to the main menu
    """,
    "goodbye": """
        goodbye / bye / that is all / that is everything thank you / no that is it thanks / nothing else / i
        am done / you can hang up / that will be all / thanks for your help bye / have a nice day goodbye / i
        have everything i need
    """,
    "cancel": """
        never mind / cancel that / forget it / i do not want that anymore / stop this / leave it / i changed
        my mind / let us not do that / forget about it
    """,
    "wait": """
        wait a moment / hold on / one moment please / just a second / give me a minute / let me look for it /
        hang on a sec / i need to find it first / bear with me / let me get my papers / one second let me
        check
    """,
}
EXAMPLES: dict[Command, tuple[str, ...]] = {
    command: tuple(" ".join(one.split()) for one in text.split("/")) for command, text in _SAID.items()
}
DONT_HAVE = re.compile(
    r"\b(?:(?:do not|don't|didn't|did not|can not|can't|cannot) (?:have|know|remember|recall|find)|forgot|"
    r"forgotten|lost|no idea|not sure|haven't got|have not got|don't got|(?:where|what) is (?:that|it|my)|"
    r"not in front of me)\b"
)
"""A caller who does not have what he is asked for."""
_PERSON = (
    r"agent|human|human being|person|real person|live person|operator|representative|rep|advisor|adviser|"
    r"manager|supervisor|somebody|someone|colleague|associate|receptionist|customer service|"
    r"customer support|service desk|help desk|your team|staff|employee|assistant|consultant"
)
_POLITE = (
    r"(?:(?:please|thanks|thank you|sorry|um|uh|okay|ok|oh|well|just|no|nope|nah|so|and|but|i think|hey|"
    r"hi|hello|yes|yeah|can you|could you|would you|will you) )*"
)
_TAIL = r"(?: (?:please|thanks|thank you|now|sorry|then|for me|again|right now|very much))*"
_WHOLE: tuple[tuple[Command, str], ...] = (
    (
        "person",
        rf"(?:(?:an?|the|some|live|real|human|actual|another|your) )*(?:{_PERSON})",
    ),
    (
        "person",
        rf"(?:i (?:want|need|would like|'d like) |i'd like |get me |give me |let me have )(?:an? |the |live |"
        rf"real |human )*(?:{_PERSON})",
    ),
    (
        "repeat",
        r"(?:repeat|say|run|tell me|go over)(?: (?:that|it|this|the question|what you said|again|once more|"
        r"one more time|by me))*",
    ),
    (
        "repeat",
        r"pardon(?: me)?|come again|what|what was that|what did you say|excuse me|one more time|say what|huh|"
        r"again|i beg your pardon",
    ),
    (
        "repeat",
        r"(?:i )?(?:didn't|did not|couldn't|could not|can't) (?:hear|catch|get|understand)(?: (?:that|you|it|"
        r"what you said|anything))*",
    ),
    (
        "back",
        r"(?:go |step |one step )?back(?: (?:one|a|one step|a step|to the last question|"
        r"to the previous question))*|previous(?: question)?",
    ),
    (
        "help",
        r"help(?: me)?|what can (?:you do|i say|you help me with|i do)(?: here)?|what are my options|options|"
        r"menu",
    ),
    (
        "restart",
        r"(?:start|begin) (?:over|again|from the beginning|from scratch)|restart|main menu|start over again|"
        r"back to the (?:start|beginning)",
    ),
    (
        "goodbye",
        r"(?:good ?bye|bye|bye bye|see you|that's all|that is all|that's it|that's everything|that'll be all|"
        r"that will be all|nothing else|hang up|i'm done|i am done|we're done|nothing more|all done|"
        r"no more)(?: (?:for (?:now|today)|bye|goodbye|have a (?:nice|good|great) day|thanks|thank you|"
        r"so much))*",
    ),
    (
        "cancel",
        r"cancel(?: (?:that|this|it))?|never ?mind(?: (?:that|about it))?|forget (?:it|that|about it)|"
        r"stop(?: (?:it|this|that))?|leave it|abort",
    ),
    (
        "wait",
        r"(?:wait|hold on|hang on|hold the line|bear with me|one moment|one second|just a (?:moment|second|"
        r"minute|sec)|give me a (?:moment|second|minute|sec)|a moment|one minute|let me (?:see|look|check|"
        r"find it|get it|think))(?: (?:a (?:moment|second|minute|sec|bit)|please|one (?:moment|second|minute)|"
        r"while i .*|i .*))*",
    ),
)
_FULL = [(command, re.compile(rf"{_POLITE}(?:{form}){_TAIL}\Z")) for command, form in _WHOLE]
_ANYWHERE: tuple[tuple[Command, re.Pattern[str]], ...] = (
    (
        "person",
        re.compile(
            r"\b(?:talk|speak|chat|connect|transfer|put|pass|get|reach)\b(?: "
            r"(?:me|us|to|with|through|over|on|directly|just|a|an|the|some|real|live|human|actual|your|any|another))* "
            rf"(?:{_PERSON})\b"
        ),
    ),
)


def plain_command(text: str) -> Command | None:
    """The command that a turn says in so many words, and nothing else; a wish for a person also inside a sentence."""
    said = " ".join(re.findall(r"[a-z']+", text.lower().replace("’", "'")))
    if not said:
        return None
    for command, form in _FULL:
        if form.match(said):
            return command
    negated = re.search(r"\b(?:don't|do not|didn't) (?:want|need) to\b", said)
    return next((command for command, form in _ANYWHERE if form.search(said) and not negated), None)
