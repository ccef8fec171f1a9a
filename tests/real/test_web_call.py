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
from tests.real.server import demo
from voicebot.demo.company import examples

pytestmark = [pytest.mark.peer("chromium", "flite"), pytest.mark.models, pytest.mark.timeout(200)]

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
ANSWER_S = 20_000
"""Milliseconds, as playwright counts."""
WRITTEN = ("appointments", "password_resets")
VISIT = [
    ("right?", "Yes."),
    ("Shall I", "Yes, please."),
    ("repair", "It's for a repair."),
    ("day", "Next Tuesday."),
    ("time", "Ten thirty in the morning."),
]
PASSWORD = [("employee", str(examples()["employee"])), ("PIN", str(examples()["pin"])), ("right?", "Yes.")]


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


async def wish(page: Page, text: str, folder: Path) -> None:
    """Say something and wait for what the bot says to it."""
    before = await page.locator("#log .bot").count()
    await say(page, text, folder)
    await expect(page.locator("#log .bot")).not_to_have_count(before, timeout=ANSWER_S)


async def talk(page: Page, folder: Path, answers: list[tuple[str, str]]) -> None:
    """Answer what the last bubble asks, by the first words that are in it, until there is nothing more to ask.

    Figures are typed on the keypad, everything else is spoken.
    """
    for _ in range(10):
        await bot_says(page, r"\?|please (say|tell)")  # "I didn't catch the day. Please tell me the month and the day"
        question = await page.locator("#log .bot").last.text_content() or ""
        if "anything else" in question:
            return
        answer = next((answer for words, answer in answers if words in question), None)
        assert answer is not None, f"no answer to {question!r}"
        before = await page.locator("#log .bot").count()
        await (page.keyboard.type(answer) if answer.isdigit() else say(page, answer, folder))
        await expect(page.locator("#log .bot")).not_to_have_count(before, timeout=ANSWER_S)
    pytest.fail("the questions do not end")


async def test_order_appointment_and_password_are_done_from_the_page(tmp_path: Path) -> None:
    order = str(examples()["order"])
    with demo(tmp_path / "data") as server:
        (item,) = server.company("select item from orders where number = ?", order)[0]
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
            await say(page, "Hi, where is my order?", tmp_path)
            await bot_says(page, "number")
            await expect(page.locator("#intent")).to_have_text(re.compile("order", re.IGNORECASE))
            await page.keyboard.type(order)
            await bot_says(page, re.escape(item))
            await expect(page.locator("#slots")).to_contain_text(order)
            assert await page.locator("#chart .turn").count() >= 1
            rows = {table: server.company(f"select count(*) from {table}")[0][0] for table in WRITTEN}
            await bot_says(page, "anything else")
            await wish(page, "I would like to book an appointment.", tmp_path)
            await talk(page, tmp_path, VISIT)
            if folder := os.environ.get("VOICEBOT_SCREENSHOT"):
                await page.mouse.move(700, 5)
                await page.screenshot(path=folder)
            await wish(page, "I forgot my password.", tmp_path)
            await talk(page, tmp_path, PASSWORD)
            for table, count in rows.items():
                assert server.company(f"select count(*) from {table}")[0][0] == count + 1, table
            await say(page, "No, that's all, thank you.", tmp_path)
            await expect(page.locator("body")).to_have_attribute("data-phase", "ended", timeout=ANSWER_S)
            await expect(page.locator("#log .outcome")).to_have_count(1)
            await browser.close()
        call = server.last_call()
        assert call["call"]["channel"] == "browser"
        assert call["call"]["outcome"] == "resolved"
        assert call["call"]["resolved"] == ["order_status", "book_appointment", "reset_password"]
