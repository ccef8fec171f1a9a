"""Every threshold and time of turn-taking, in one place. `docs/turn-taking.md` tells how they work together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TurnTiming:
    """Every threshold and time of turn-taking. Times are seconds of audio, in steps of a window (32 ms).

    Silero goes on for about 0.1 s after the last voiced sample (median 94 ms over 80 recordings, whatever the
    threshold). In quiet surroundings the level tells earlier (`quiet_db`): silence then begins with the voice's end.
    """

    voiced: float = 0.5
    """Probability from which a window is speech."""
    voiced_over_prompt: float = 0.7
    """The same while a prompt plays: its echo must not interrupt it."""
    silent: float = 0.35
    """Probability under which a window is silence; between the two it goes on as it was."""
    quiet_db: float = 30.0
    """A window so far under the loudest of the turn is silence, whatever its probability."""
    word_db: float = 12.0
    """A sound in a pause, at most so far under the loudest window of the turn …"""
    word_over_db: float = 20.0
    """… and so far over the faintest, is speech going on once it has lasted `start_s`, whatever its probability: Silero
    is deaf to a few words (of 114 dictated numbers to an "eight" in one)."""
    background_db: float = 15.0
    """What sounds like a voice so far under the loudest window of the turn, …"""
    background_s: float = 0.5
    """… and has done so for so long without a louder one, is somebody else's: silence. Between the first and the last
    word of 268 clean recordings the longest such time was 0.45 s."""
    fade_db_per_s: float = 3.0
    """By which that loudest one is forgotten."""
    start_over_prompt_s: float = 0.064
    """Voiced windows that stop a prompt, if they are sure: 32 ms less than elsewhere, as the caller speaks against us
    as long as it lasts. Over 217 beginnings p95 is 40 ms sooner, and 3 in 100 noises more are heard."""
    sure_start: float = 0.95
    """Mean probability that these must have; 95 of 100 callers begin above 0.97."""
    judge_after_s: float = 0.608
    """Voiced time in a turn over a prompt after which it is judged: whether it is surer than `speech_from`."""
    judge_every_s: float = 0.256
    """It is judged again each time so much more was voiced."""
    speech_from: float = 0.97
    """Sureness under which it is hardly speech: of the surest `peak_s` in a row and of all voiced windows,
    `peak_weight` to the rest. A voice is sure in its vowels whatever lies between; noise seldom is for so long. Of 199
    callers 2 in 100 are under it at each of these times, of 45 noises, coughs and pieces of music 85 in 100."""
    peak_s: float = 0.224
    peak_weight: float = 0.8
    max_false_alarms: int = 3
    """Each false alarm adds another `start_over_prompt_s` and `alarm_step` to what the next sound over a prompt must
    bring, up to so many; a turn of the caller takes them back."""
    alarm_step: float = 0.01
    """In probability."""
    speech_again: float = 0.96
    """Mean probability over `speech_again_s` from which a turn that was doubted interrupts after all."""
    speech_again_s: float = 0.288
    bystander_db: float = 12.0
    """Speech over a prompt so far under the level of the caller's earlier turns is somebody else's in the room: its
    loudest window before it stops the prompt, all of it after."""
    start_s: float = 0.096
    """Voiced windows that make speech."""
    start_gap_s: float = 0.064
    """Unvoiced windows that may lie between them."""
    pre_roll_s: float = 0.3
    """Audio before the onset that is recognised too: soft beginnings of words."""
    speculate_s: float = 0.064
    """Silence after which recognition starts, in the hope that the turn is over."""
    speculate_early_s: float = 0.384
    """The same where too little was said yet for the answer awaited (`TurnMachine.least_voiced_s`)."""
    speculate_late_s: float = 0.7
    """The same once the beginning of a number was recognised, and too little was said since for the rest of it."""
    whole_s: float = 0.144
    """So long before its end a turn is recognised of which no more is known than that too few digits were said."""
    prioritise_s: float = 0.192
    """Silence after which a recognition that still waits goes before speculative ones."""
    complete_s: float = 0.16
    """Silence that ends an answer that cannot go on: the awaited number of characters, yes or no."""
    free_s: float = 0.288
    """Silence that ends a listed phrase, a whole date or time, and free speech that reads as a finished sentence."""
    doubtful_s: float = 0.48
    """Silence that ends free speech of which that is not sure."""
    year_may_follow_s: float = 0.416
    """Silence that ends a date without a year, where nobody knows whether one belongs to it (`Expect.year`)."""
    may_go_on_s: float = 0.608
    """Silence that ends what might go on but seldom does ("yes", "… than he was.", "three thirty"), and a number of the
    right length that may also be a longer one begun, or of which nothing could be made."""
    unfinished_s: float = 0.896
    """Silence that ends free speech that seems unfinished ("I want to …")."""
    digits_may_follow_s: float = 1.312
    """Silence that ends a number that is long enough, though a longer one is allowed: pauses of 1.2 s, which are up to
    1.28 s where a word fades away."""
    digits_missing_s: float = 1.408
    """Silence that ends a number that is too short."""
    story_from_s: float = 5.5
    """Speech after which a caller tells a story: free speech that seems finished then ends after `story_s`."""
    story_s: float = 0.512
    paused: float = 1.5
    """Free speech ends after at least so many times the longest pause after which the caller has gone on in it, and
    after `unfinished_s` at most: who pauses to think or to read pauses again."""
    pause_from_s: float = 0.25
    """Shorter pauses tell nothing: consonants are closed so long, and breaths are short."""
    sounds_over: float = 0.5
    """Probability of Smart Turn, where it is asked (``turns.end_of_turn_model``), under which free speech that reads as
    finished ends after `may_go_on_s` all the same."""
    resume_s: float = 0.352
    """Silence after a sound over a prompt that was no turn (a cough): the prompt goes on. Shorter than a listener finds
    long, longer than most pauses between two words of a caller who is hard to understand. After "okay" it goes on after
    `complete_s`."""
    no_words_s: float = 0.5
    """Silence after speech in which nothing was recognised."""
    noise_s: float = 1.0
    """Speech from which that is a sentence not understood yet, and ends after `may_go_on_s`."""
    longest_s: float = 25.0
    """Turns longer than this are cut and recognised as they are."""
