"""How letters are named and explained when people spell: "b as in boy", the NATO alphabet."""

from __future__ import annotations

LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
LETTER_SOUNDS = {
    "bee": "b", "see": "c", "sea": "c", "dee": "d", "gee": "g", "jay": "j", "kay": "k", "em": "m", "pee": "p",
    "queue": "q", "cue": "q", "tee": "t", "tea": "t", "vee": "v", "double u": "w", "ex": "x", "zee": "z", "zed": "z",
}  # fmt: skip
"""How the model may write a single letter. Common words that sound like one ("you", "are", "why") are left out."""
NATO = (
    "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet", "kilo", "lima",
    "mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango", "uniform", "victor", "whiskey",
    "x-ray", "yankee", "zulu",
)  # fmt: skip
NATO_SPELLINGS = {"alfa": "a", "juliett": "j", "whisky": "w", "x ray": "x", "x-ray": "x", "xray": "x", "fox trot": "f"}
EXAMPLES = (
    "apple", "adam", "able", "boy", "baker", "cat", "charles", "dog", "david", "edward", "easy", "fox", "frank",
    "george", "girl", "henry", "house", "ida", "igloo", "john", "king", "kite", "lion", "love", "mary", "mother",
    "nancy", "nora", "orange", "ocean", "paul", "peter", "queen", "robert", "roger", "sam", "sugar", "tom", "thomas",
    "uncle", "union", "victory", "william", "water", "young", "yellow", "zebra",
)  # fmt: skip
"""Words people spell with besides the NATO alphabet ("b as in boy")."""
AS_IN = ("as in", "for", "like", "as")
"""What stands between a letter and its example."""
