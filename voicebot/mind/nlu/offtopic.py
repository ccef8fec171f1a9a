"""What callers say that is nobody's intent: small talk, noise, other people's business. Own sentences.

They teach the confidence what "none of these" sounds like; a flow adds its own by ``off_topic``.
"""

BANK = (
    "the weather is lovely today", "what is the capital of france", "tell me a joke", "who won the game last night",
    "i would like a large pizza with mushrooms", "can you sing a song for me", "how tall is mount everest",
    "my dog ate my homework", "what do you think about politics", "i love you", "are you married", "how old are you",
    "turn on the lights in the kitchen", "play some music please", "set a timer for ten minutes", "what is two plus two",
    "the train leaves from platform nine", "i was just talking to my wife", "honey dinner is ready", "be quiet i am on the phone",
    "the quick brown fox jumps over the lazy dog", "once upon a time there was a king", "i am so tired today",
    "do you know a good restaurant near here", "how do i get to the airport", "book me a flight to london",
    "what is my horoscope", "translate hello into spanish", "how many calories are in an apple", "thank you for watching",
    "please subscribe to the channel", "you", "blah blah blah", "la la la", "testing testing one two three", "is this thing on",
    "can you hear me now", "hello hello hello", "who is the president of the united states", "what time is it in tokyo",
    "i need new tires for my car", "my sink is leaking and i need a plumber", "how do i cook rice", "what is the meaning of life",
    "buy one hundred shares of stock", "what is the exchange rate of the euro", "my tooth hurts", "call my mother",
    "send a text message to bob", "find me a cheap hotel in rome", "the movie was really boring", "i saw a bird in the garden",
    "where did i park my car", "is it going to rain tomorrow", "what is on television tonight", "how do you spell necessary",
    "he said that she said that they would come", "the chairman signed the agreement in the morning",
    "we went to the lake and swam all afternoon", "put the blue book on the top shelf", "she had a cup of tea and went to bed",
    "i want to learn how to play the guitar", "do you believe in ghosts", "why is the sky blue",
    "this is a message for john please call me back", "you have won a free cruise press one now",
    "we have been trying to reach you about your car's extended warranty", "i am calling from the bank about your account",
    "do you want to buy solar panels", "vote for me next week", "the soup needs more salt", "open the window please",
    "remind me to water the plants", "what is the score", "how far is the moon", "take a picture", "read me the news",
    "i have a headache", "my flight was cancelled", "what language do you speak", "say something funny", "never gonna give you up",
    "the meeting was moved to the big room", "could you pass me the remote", "the children are playing outside",
    "go forward ten meters", "a bunch of bananas and some milk", "how do i file my taxes", "i lost my wallet on the bus",
    "is the museum open on mondays", "who wrote romeo and juliet", "can you recommend a good book", "what is your favorite color",
    "i think therefore i am", "let me check with my husband", "somebody is at the door", "mommy can i have some candy",
)  # fmt: skip
