"""How people say digits one by one, in pairs, doubled, and what they say between them: for finding numbers in talk."""

from __future__ import annotations

UNITS = {
    "zero": "0", "oh": "0", "o": "0", "nought": "0", "naught": "0", "nil": "0", "one": "1", "two": "2", "three": "3",
    "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "niner": "9", "fife": "5",
}  # fmt: skip
TEENS = {
    "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14", "fifteen": "15", "sixteen": "16",
    "seventeen": "17", "eighteen": "18", "nineteen": "19",
}  # fmt: skip
TENS = {
    "twenty": "2", "thirty": "3", "forty": "4", "fourty": "4", "fifty": "5", "sixty": "6", "seventy": "7",
    "eighty": "8", "ninety": "9",
}  # fmt: skip
SCALES = {"hundred": 100, "thousand": 1000}
TIMES = {"double": 2, "triple": 3, "treble": 3, "quadruple": 4}
SEVERAL = {
    "zeros": "0", "zeroes": "0", "ohs": "0", "oh's": "0", "noughts": "0", "ones": "1", "twos": "2", "threes": "3",
    "fours": "4", "fives": "5", "sixes": "6", "sevens": "7", "eights": "8", "nines": "9",
}  # fmt: skip
"""After a number: "four ones"."""
ALIKE = {
    "for": "4", "fore": "4", "to": "2", "too": "2", "tu": "2", "ate": "8", "won": "1", "wan": "1", "tree": "3",
    "free": "3", "sicks": "6", "nein": "9", "sevin": "7", "owe": "0",
}  # fmt: skip
"""What recognition writes for a digit, and people mean otherwise as well."""
INTERJECTIONS = frozenset(["oh", "o"])
"""Zero among digits, and a sound beside them."""
BETWEEN = frozenset(
    [
        "and", "then", "uh", "um", "er", "erm", "ah", "hmm", "hm", "mm", "dash", "hyphen", "space", "dot", "point",
        "comma", "colon", "plus", "slash", "stroke", "gap", "pause", "period", "bar", "underscore", "minus",
    ]
)  # fmt: skip
"""Between digits of one number they are nothing."""
LINKING = frozenset(["and", "then"])
"""Of those, the ones that also link quantities: "60 and 200"."""
COUNTERS = frozenset(
    ["first", "last", "next", "final", "other", "remaining", "following", "middle", "these", "those", "second", "third",
     "fourth", "fifth", "part", "block", "group", "section", "chunk", "piece", "all", "only", "with", "in"]
)  # fmt: skip
"""Before a number word they make it a count: "the last four"."""
COUNTED = frozenset(
    [
        "digit", "digits", "number", "numbers", "figure", "figures", "more", "group", "groups", "block", "blocks",
        "times", "left", "moment", "moments", "second", "seconds", "sec", "secs", "minute", "minutes", "mins", "of",
        "time", "thing", "day", "days", "week", "weeks", "month", "months", "year", "years", "hour", "hours", "people",
        "at",
    ]
)  # fmt: skip
"""After a number word they make it a count: "one moment"."""
POINTERS = frozenset(
    ["this", "that", "the", "no", "which", "any", "every", "each", "a", "wrong", "right", "new", "old"]
)
"""Before "one" they make it no digit."""
CORRECTIONS = frozenset(
    ["no", "sorry", "wait", "mean", "meant", "scratch", "correction", "rather", "actually", "oops", "not", "wrong",
     "mistake", "again", "restart", "over", "whoops", "hang", "redo"]
)  # fmt: skip
"""After them what was said before may not count."""
MONTHS = frozenset(
    [
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
        "december", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
    ]
)  # fmt: skip
MONEY = frozenset(
    [
        "dollar", "dollars", "euro", "euros", "pound", "pounds", "cent", "cents", "pence", "bucks", "quid", "franc",
        "francs", "percent", "usd", "eur", "gbp", "chf", "yen", "grand", "instalments", "installments",
    ]
)  # fmt: skip
HALVES = frozenset(["am", "pm", "a.m", "p.m", "o'clock", "oclock", "hours"])
BEFORE_YEARS = frozenset(["in", "since", "of", "year", "until", "till", "before", "after", "by", "from"])
SECRETS = frozenset(
    ["pin", "passcode", "password", "passphrase", "cvv", "cvc", "cvv2", "cvc2", "otp", "pincode", "secret"]
)
"""Names of what nobody should say aloud: the number after one of them is a secret."""
NAMES = frozenset(
    [
        "order", "postcode", "postal", "zip", "phone", "telephone", "mobile", "cell", "landline", "call", "ring",
        "reach", "text", "reference", "ticket", "tracking", "invoice", "customer", "account", "booking", "case",
        "amount", "price", "total", "sum", "date", "day",
        "serial", "parcel", "extension", "room", "flight", "meter", "policy", "model",
    ]
)  # fmt: skip
"""Names of other numbers: what comes after one of them is no secret by its name."""
CARDS = frozenset(
    ["card", "visa", "mastercard", "amex", "express", "credit", "debit", "maestro", "discover", "diners", "jcb"]
)
POINTING_BACK = frozenset(["that", "that's", "this", "it", "it's", "was", "is"])
"""Before a name they say what was said before it."""
COURTESIES = frozenset(
    [
        "yes", "yeah", "yep", "okay", "ok", "right", "so", "well", "it's", "its", "it", "is", "please", "thanks", "the",
        "that's", "now", "next", "rest", "sure", "mhm", "are", "sorry", "no", "wait",
    ]
)  # fmt: skip
"""Words beside digits that do not make a sentence of them."""
