"""The browser phone in headless Chromium, with a recording as its microphone and our server behind it."""

from __future__ import annotations

import asyncio
import csv
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from playwright.async_api import Page, async_playwright, expect

from telephony.leg import Pcm
from telephony.webrtc.leg import WebRtcLeg
from tests.real.programs import PATIENCE_S, until
from voicebot.config import HttpSettings
from voicebot.paths import speech_dir
from voicebot.web import page_messages
from voicebot.web.server import Web

pytestmark = pytest.mark.peer("chromium")

KEEP_CONNECTION = """
const Real = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Real { constructor(...a) { super(...a); window.connection = this; } };
"""
LISTEN = """
() => {
  const context = new AudioContext();
  const [receiver] = window.connection.getReceivers();
  const analyser = context.createAnalyser();
  analyser.fftSize = 4096;
  analyser.smoothingTimeConstant = 0;
  context.createMediaStreamSource(new MediaStream([receiver.track])).connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  window.loudest = () => {
    analyser.getFloatFrequencyData(bins);
    const top = bins.indexOf(Math.max(...bins));
    return { hz: (top * context.sampleRate) / analyser.fftSize, db: bins[top] };
  };
}
"""
XSS = [
    template.format(js)
    for js in ("window.hit=1", "fetch('/x?'+document.title)", "document.body.remove()", "alert(1)", "top.hit=1")
    for template in (
        "<script>{}</script>",
        "<img src=x onerror={}>",
        "<svg onload={}>",
        "<iframe srcdoc='<script>{}</script>'>",
        '"><b onmouseover={}>x',
        "javascript:{}",
        "<style>@import '{}'</style>",
        "{{{{constructor.constructor('{}')()}}}}",
        "</li></ol><h1 onclick={}>big</h1>",
        "&lt;script&gt;{}&lt;/script&gt;\u202e\u0000",
    )
]
Talk = Callable[[WebRtcLeg], Awaitable[None]]


def tone(hz: float, seconds: float) -> Pcm:
    return np.asarray(8000 * np.sin(2 * np.pi * hz * np.arange(int(seconds * 16000)) / 16000)).astype(np.int16)


async def until_closed(leg: WebRtcLeg) -> None:
    await leg.closed


class Room:
    """A server, and one Chromium page on it."""

    def __init__(self, page: Page, legs: asyncio.Queue[WebRtcLeg]) -> None:
        self.page, self._legs = page, legs

    async def call(self) -> WebRtcLeg:
        await self.page.click("#call")
        await expect(self.page.locator("body")).to_have_attribute("data-phase", "call", timeout=PATIENCE_S * 1000)
        return await asyncio.wait_for(self._legs.get(), PATIENCE_S)

    async def until(self, expression: str, within_s: float = PATIENCE_S) -> None:
        """Wait for something true. (`wait_for_function` evaluates strings in the page, which its policy forbids.)"""
        for _ in range(int(within_s / 0.05)):
            if await self.page.evaluate(expression):
                return
            await asyncio.sleep(0.05)
        pytest.fail(f"never true: {expression}")

    async def text(self, selector: str) -> str:
        return (await self.page.locator(selector).inner_text()).strip()


@asynccontextmanager
async def room(
    talk: Talk = until_closed, *, microphone: Path | None = None, max_calls: int = 4, allow: bool = True
) -> AsyncIterator[Room]:
    legs: asyncio.Queue[WebRtcLeg] = asyncio.Queue()

    async def on_call(leg: WebRtcLeg) -> None:
        legs.put_nowait(leg)
        await talk(leg)

    web = Web(
        HttpSettings(port=0),
        on_browser_call=on_call,
        ready=lambda: True,
        status=lambda: {"hints": []},
        max_calls=max_calls,
    )
    await web.start()
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream"]
    arguments += ["--use-fake-ui-for-media-stream"] if allow else []
    arguments += [f"--use-file-for-fake-audio-capture={microphone}%noloop"] if microphone else []
    faults: list[str] = []
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
            page = await browser.new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("console", lambda line: faults.append(line.text) if "Content Security" in line.text else None)
            await page.add_init_script(KEEP_CONNECTION)
            await page.goto(f"http://127.0.0.1:{web.port}/")
            yield Room(page, legs)
            await browser.close()
    finally:
        await web.stop()
    assert faults == []
    assert web.phone.active == 0


def recording(folder: Path) -> tuple[Path, Pcm]:
    """A spoken sentence as Chromium's fake microphone wants it, and at 16 kHz."""
    with (speech_dir() / "manifest.csv").open(encoding="utf-8") as manifest:
        row = next(row for row in csv.DictReader(manifest) if 3 < float(row["seconds"]) < 8)
    samples, rate_hz = soundfile.read(speech_dir() / row["path"], dtype="float32")
    samples = samples if samples.ndim == 1 else samples[:, 0]
    wide = soxr.resample(np.concatenate((np.zeros(rate_hz), samples, np.zeros(rate_hz))), rate_hz, 48000)
    path = folder / "microphone.wav"
    soundfile.write(path, wide, 48000, subtype="PCM_16")
    return path, np.asarray(soxr.resample(samples, rate_hz, 16000) * 32767).astype(np.int16)


def envelope(pcm: Pcm) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Loudness of each 20 ms."""
    return np.sqrt(np.mean(pcm[: len(pcm) // 320 * 320].reshape(-1, 320).astype(float) ** 2, axis=1))


def likeness(heard: Pcm, spoken: Pcm) -> float:
    """Best correlation of the two envelopes over all shifts, -1 to 1."""
    a, b = envelope(heard), envelope(spoken)
    return max(
        float(np.corrcoef(a[i : i + len(b)], b)[0, 1]) for i in range(len(a) - len(b) + 1) if a[i : i + len(b)].any()
    )


@pytest.mark.speech
async def test_the_server_hears_what_is_said_into_the_microphone(tmp_path: Path) -> None:
    microphone, spoken = recording(tmp_path)
    blocks: list[Pcm] = []

    async def listen(leg: WebRtcLeg) -> None:
        leg.on_audio = blocks.append
        await leg.closed

    async with room(listen, microphone=microphone) as phone:
        await phone.call()
        await asyncio.sleep(len(spoken) / 16000 + 4)
        heard = np.concatenate(blocks)
        assert all(block.shape == (320,) and block.dtype == np.int16 for block in blocks)
        assert len(heard) / 16000 == pytest.approx(len(spoken) / 16000 + 4, abs=1.0), "time is kept"
        assert envelope(heard).max() > 300
        assert likeness(heard, spoken) > 0.8


async def test_the_page_hears_what_is_played_and_silence_after_a_flush() -> None:
    async with room() as phone:
        leg = await phone.call()
        await phone.page.evaluate(LISTEN)
        leg.play(tone(625, 30))
        await phone.until("Math.abs(window.loudest().hz - 625) < 15 && window.loudest().db > -40")
        await until(lambda: leg.played_samples > 16000)
        assert leg.flush() > 20 * 16000
        await phone.until("window.loudest().db < -75", within_s=1.5)
        played = leg.played_samples
        assert 16000 < played < 10 * 16000
        leg.send_dtmf("5")
        tones = "[770, 1336].some((hz) => Math.abs(window.loudest().hz - hz) < 20)"
        await phone.until(tones)


async def test_keys_reach_the_server_by_pad_and_by_keyboard() -> None:
    keys: asyncio.Queue[str] = asyncio.Queue()

    async def listen(leg: WebRtcLeg) -> None:
        leg.on_dtmf = keys.put_nowait
        await leg.closed

    async with room(listen) as phone:
        await phone.call()
        await phone.page.click("#keys")
        for name in ("5", "Star", "0"):
            await phone.page.get_by_role("button", name=name, exact=True).click()
        await phone.page.keyboard.type("7#")
        assert [await asyncio.wait_for(keys.get(), PATIENCE_S) for _ in range(5)] == ["5", "*", "0", "7", "#"]


async def test_the_page_shows_the_call_as_it_goes() -> None:
    async with room() as phone:
        leg = await phone.call()
        leg.send_data(page_messages.state("answered", "c0ffee"))
        leg.send_data(page_messages.said("caller", "where is", partial=True))
        leg.send_data(page_messages.said("caller", "Where is my order?", unsure=(1, 3)))
        slots = {"order_number": "4711"}
        leg.send_data(page_messages.step("northwind", "order_status.number", "order_status", 0.94, slots))
        for ms in (300.0, 500.0, 340.0):
            leg.send_data(page_messages.turn(ms, {"endpoint": 200.0, "asr": 80.0}))
        leg.send_data(page_messages.state("with a person", "c0ffee"))
        await expect(phone.page.locator("#state")).to_have_text("Talking with a person")
        assert await phone.page.locator("#log .caller").count() == 1, "a partial text is replaced"
        assert "Where is my order?" in await phone.text("#log .caller")
        assert await phone.page.locator("#log .caller .unsure").all_text_contents() == ["is", "order?"]
        assert await phone.text("#step") == "Order status›Number"
        assert await phone.text("#confidence") == "94 %"
        assert "4711" in await phone.text("#slots")
        assert (await phone.text("#p50"), await phone.text("#last")) == ("340", "340")
        assert await phone.page.locator("#chart .turn").count() == 3
        assert await phone.page.locator("#log").get_attribute("aria-live") == "polite"


async def test_hostile_texts_are_shown_as_text() -> None:
    assert len(XSS) == 50
    async with room() as phone:
        leg = await phone.call()
        for payload in XSS:
            leg.send_data(page_messages.said("bot", payload))
        leg.send_data(page_messages.state("answered", XSS[0]))
        leg.send_data(page_messages.step(XSS[0], XSS[1], XSS[2], 1.0, {XSS[3]: XSS[4]}))
        leg.send_data(page_messages.turn(100, {XSS[5]: 50.0}))
        leg.send_data(page_messages.outcome(XSS[6]))
        await expect(phone.page.locator("#log .outcome")).to_have_count(1)
        bubbles = await phone.page.locator("#log .bot").evaluate_all("all => all.map((one) => one.lastChild.data)")
        assert bubbles == XSS
        foreign = "main script, main iframe, main style, main img, #log svg, #log h1, main [onclick], main [onerror]"
        assert await phone.page.locator(foreign).count() == 0
        assert await phone.page.evaluate("window.hit") is None


async def test_hanging_up_on_the_page_ends_the_leg_and_its_last_words_arrive() -> None:
    async def talk(leg: WebRtcLeg) -> None:
        await leg.closed
        leg.send_data(page_messages.outcome("The order is on its way."))
        leg.send_data(page_messages.state("ended", "x"))

    async with room(talk) as phone:
        leg = await phone.call()
        await phone.page.click("#call")
        assert await asyncio.wait_for(leg.closed, PATIENCE_S) == "caller"
        await expect(phone.page.locator("#log .outcome")).to_contain_text("on its way")
        assert await phone.text("#state") == "Call ended"
        again = await phone.call()
        assert again.id != leg.id, "the next call starts from the same page"


async def test_hanging_up_on_the_server_ends_the_page() -> None:
    async with room() as phone:
        leg = await phone.call()
        await leg.hang_up()
        await expect(phone.page.locator("body")).to_have_attribute("data-phase", "ended", timeout=PATIENCE_S * 1000)
        assert await phone.page.locator("#notice").is_hidden(), "that is no trouble"
        assert await leg.closed == "local"


async def test_a_closed_tab_ends_the_call() -> None:
    async with room() as phone:
        leg = await phone.call()
        await phone.page.close()
        assert await asyncio.wait_for(leg.closed, PATIENCE_S) == "caller"


async def test_a_browser_that_dies_is_noticed_in_twenty_seconds() -> None:
    async with room() as phone:
        leg = await phone.call()
        crash = asyncio.ensure_future(phone.page.goto("chrome://crash"))
        reason = await asyncio.wait_for(leg.closed, 20)
        assert reason in {"no-media", "caller"}
        crash.cancel()
        await asyncio.gather(crash, return_exceptions=True)


async def test_a_refused_microphone_is_explained() -> None:
    async with room(allow=False) as phone:
        await phone.page.click("#call")
        await expect(phone.page.locator("#notice")).to_contain_text("The microphone is blocked")
        await expect(phone.page.locator("body")).to_have_attribute("data-phase", "idle")


async def test_a_full_server_is_explained() -> None:
    async with room(max_calls=0) as phone:
        await phone.page.click("#call")
        await expect(phone.page.locator("#notice")).to_contain_text("All lines are busy")
