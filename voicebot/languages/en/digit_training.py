"""What synthetic callers say when the digit layer is learnt: dialects, accents, and speech that is no digit."""

from __future__ import annotations

DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "oh")
"""As the digit layer counts them; the last is another zero."""
ENGLISH = (
    "en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc",
)  # fmt: skip
ACCENTS = {
    "fr": "ziro ouane tou sri fôr faïve sixe sévène éïte naïne o",
    "de": "sihro wann tuh sri fohr feif ssicks ssewen eht nein oh",
    "es": "siro guan tu sri for faif sics seven eit nain ou",
    "it": "ziro uan tu tri for faiv sics seven eit nain o",
    "pt-br": "zirou uãn tu tri fór faivi sics seven eiti nain ou",
    "pl": "ziro łan tu fri for fajf siks sewen ejt najn oł",
    "hi": "ज़ीरो वन टू थ्री फ़ोर फ़ाइव सिक्स सेवन एट नाइन ओ",
    "nl": "ziro wan toe srie foor faif siks seven eet nain oo",
    "ru": "зироу уан ту сри фор файв сикс севен эйт найн оу",
    "tr": "ziro van tu tri for fayv siks sevın eyt nayn ou",
    "sv": "siro oan to sri får fajv sicks seven ejt najn ou",
}
"""The words of `DIGIT_WORDS` as a reader of each language would write down what he says."""
SENTENCES = (
    "I would like to book an appointment for tomorrow afternoon",
    "my order has not arrived yet and I want to know where it is",
    "can you please put me through to a person",
    "the weather is fine and the streets are full of people",
    "please change the address of my account",
    "I forgot my password and cannot log in",
    "what are your opening hours on the weekend",
    "the invoice you sent me is wrong",
    "large coffee with oat milk and some sugar",
    "thank you very much goodbye",
    "hello is anybody there",
    "I am calling about a parcel that was delivered to my neighbour",
    "twenty thirty forty fifty sixty seventy eighty ninety",
    "eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
    "hundred thousand million dollars and cents",
    "January February March April May June July August",
    "September October November December Monday Tuesday Wednesday",
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet",
    "kilo lima mike november oscar papa quebec romeo sierra tango",
    "uniform victor whiskey x-ray yankee zulu",
    "a b c d e f g h i j k l m",
    "n p q r s t u v w x y z",
    "yes no maybe okay right sure of course not really",
    "before after under over through again never always",
    "how much does it cost to send it back",
    "I was told that somebody would ring me yesterday",
)
"""Speech that is no digit, a few words of one at a time."""
