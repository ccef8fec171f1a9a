"""One whole call from the browser: a page in Chromium against the running demo, sentence by sentence."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import re
import shutil
from pathlib import Path

import pytest
import soundfile
from playwright.async_api import Page, async_playwright, expect

from tests.real.baresip import RATE_HZ, Wave, flite
from tests.real.caller import Person
from tests.real.server import demo
from voicebot.demo.company import examples

pytestmark = [pytest.mark.peer("chromium", "flite"), pytest.mark.models]

MICROPHONE = """
navigator.mediaDevices.getUserMedia = async () => {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  const hum = new ConstantSourceNode(context, { offset: 0 });
  hum.connect(out);
  hum.start();
  window.speak = async (wav) => {
    const bytes = Uint8Array.from(atob(wav), (letter) => letter.charCodeAt(0));
    const source = new AudioBufferSourceNode(context, { buffer: await context.decodeAudioData(bytes.buffer) });
    source.connect(out);
    source.start();
    await new Promise((done) => (source.onended = done));
  };
  return out.stream;
};
"""
ANSWER_S = 30_000
"""Milliseconds, as playwright counts."""
WRITTEN = ("appointments", "password_resets")
FIGURES = {key: str(value) for key, value in examples().items()}
ORDER = Person("Hi, where is my order?", "No.", {"number": FIGURES["order"]})
VISIT = Person(
    "I would like to book an appointment.",
    "No.",
    {
        "right?": "Yes.",
        "Shall I": "Yes, please.",
        "repair": "It's for a repair.",
        "day": "Next Tuesday.",
        "time": "Ten thirty in the morning.",
    },
)
PASSWORD = Person(
    "I forgot my password.", "No.", {"employee": FIGURES["employee"], "PIN": FIGURES["pin"], "right?": "Yes."}
)
BYE = "No, that's all, thank you."


async def say(page: Page, text: str, folder: Path) -> None:
    """Speak a sentence into the page's microphone, and wait until it is over."""
    wave: Wave = await asyncio.to_thread(flite, text, folder)
    wav = io.BytesIO()
    soundfile.write(wav, wave, RATE_HZ, format="WAV", subtype="PCM_16")
    await page.evaluate("(wav) => window.speak(wav)", base64.b64encode(wav.getvalue()).decode())


async def bot_says(page: Page, words: str) -> None:
    """Wait for a bubble of the bot with these words, and for the bot to have spoken it."""
    await expect(page.locator("#log .bot").last).to_contain_text(re.compile(words, re.IGNORECASE), timeout=ANSWER_S)
    quiet = 0
    for _ in range(300):
        level = float(await page.evaluate("document.getElementById('orb').style.getPropertyValue('--level') || 0"))
        quiet = quiet + 1 if level < 0.05 else 0
        if quiet >= 8:
            return
        await asyncio.sleep(0.1)
    pytest.fail("the bot did not stop talking")


async def answer(page: Page, text: str, folder: Path) -> None:
    """Type figures on the keypad, say everything else, and wait for what the bot says to it."""
    before = await page.locator("#log .bot").count()
    await (page.keyboard.type(text) if text.isdigit() else say(page, text, folder))
    await expect(page.locator("#log .bot")).not_to_have_count(before, timeout=ANSWER_S)


async def talk(page: Page, folder: Path, person: Person[str]) -> None:
    """Say what the person wants, and answer what the last bubble asks until there is nothing more to ask."""
    await answer(page, person.wish, folder)
    asked: list[str] = []
    while len(asked) < 20:
        await bot_says(page, r"\?|please (say|tell|key|type)")
        asked.append(await page.locator("#log .bot").last.text_content() or "")
        if "anything else" in asked[-1]:
            return
        await answer(page, person.answer(asked[-1]), folder)
    pytest.fail(f"the questions do not end: {asked}")


async def leave(page: Page, folder: Path) -> None:
    """Say goodbye, and once more where the bot did not understand it."""
    ended = page.locator("body[data-phase=ended]")
    for _ in range(3):
        before = await page.locator("#log .bot").count()
        await say(page, BYE, folder)
        asked_again = page.locator("#log .bot").nth(before).filter(has_text="?")
        await expect(ended.or_(asked_again).first).to_be_attached(timeout=ANSWER_S)
        if await ended.count():
            return
        await bot_says(page, r"\?")
    await expect(ended).to_have_count(1, timeout=ANSWER_S)


async def test_order_appointment_and_password_are_done_from_the_page(tmp_path: Path) -> None:
    with demo(tmp_path / "data") as server:
        (item,) = server.company("select item from orders where number = ?", FIGURES["order"])[0]
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
            )
            page = await browser.new_page(viewport={"width": 1360, "height": 860})
            await page.add_init_script(MICROPHONE)
            await page.goto(f"http://127.0.0.1:{server.http_port}/")
            await page.click("#call")
            await bot_says(page, "help")
            await talk(page, tmp_path, ORDER)
            await expect(page.locator("#intent")).to_have_text(re.compile("order", re.IGNORECASE))
            await expect(page.locator("#log")).to_contain_text(item)
            await expect(page.locator("#slots")).to_contain_text(FIGURES["order"])
            assert await page.locator("#chart .turn").count() >= 1
            rows = {table: server.company(f"select count(*) from {table}")[0][0] for table in WRITTEN}
            await talk(page, tmp_path, VISIT)
            if folder := os.environ.get("VOICEBOT_SCREENSHOT"):
                await page.mouse.move(700, 5)
                await page.screenshot(path=folder)
            await talk(page, tmp_path, PASSWORD)
            for table, count in rows.items():
                assert server.company(f"select count(*) from {table}")[0][0] == count + 1, table
            await leave(page, tmp_path)
            await expect(page.locator("#log .outcome")).to_have_count(1)
            await browser.close()
        call = server.last_call()
        assert call["call"]["channel"] == "browser"
        assert call["call"]["outcome"] == "resolved"
        assert call["call"]["resolved"] == ["order_status", "book_appointment", "reset_password"]
