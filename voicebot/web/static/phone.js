// The page: what the buttons do, and what the call's events show.

import { Insight } from "./insight.js";
import { Levels } from "./levels.js";
import { Line } from "./line.js";
import { Transcript } from "./transcript.js";

const KEYS = [["1", ""], ["2", "ABC"], ["3", "DEF"], ["4", "GHI"], ["5", "JKL"], ["6", "MNO"], ["7", "PQRS"], ["8", "TUV"], ["9", "WXYZ"], ["*", ""], ["0", "+"], ["#", ""]];
const STATES = { ringing: "Ringing", answered: "Connected", "on hold": "On hold – finding a person", "with a person": "Talking with a person", ended: "Call ended" };
const NOTES = { answered: "Call answered", "on hold": "Finding a person for you", "with a person": "A person has joined the call", ended: "Call ended" };
const METER_BARS = 14;
const READY_MS = 10000;
const HINT_MS = 9000;

const byId = (id) => document.getElementById(id);
const transcript = new Transcript(byId("log"), byId("scroll"), byId("empty"));
const insight = new Insight();
let line = null;
let levels = null;
let since = 0;
let clock = 0;
let noted = "";
let hints = [];

// ── what is shown ──

function phase(name, state) {
  document.body.dataset.phase = name;
  const busy = name === "call" || name === "connecting";
  byId("state").textContent = state;
  byId("call-label").textContent = name === "call" ? "Hang up" : name === "connecting" ? "Cancel" : name === "ended" ? "Call again" : "Call";
  byId("mute").disabled = byId("keys").disabled = name !== "call";
  if (name !== "call") {
    openPad(false);
    setMuted(false);
  }
  byId("try").hidden = !busy || hints.length === 0;
}

function notice(trouble) {
  byId("notice").hidden = !trouble;
  byId("notice-title").textContent = trouble?.title ?? "";
  byId("notice-text").textContent = trouble?.message ?? "";
}

function showClock() {
  const seconds = Math.floor((performance.now() - since) / 1000);
  byId("clock").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function showState(state) {
  if (STATES[state] && state !== "ended") byId("state").textContent = STATES[state];
  if (NOTES[state] && state !== noted) transcript.note(NOTES[state]);
  noted = state;
}

function showMeter(level) {
  const on = Math.round(level * METER_BARS);
  [...byId("meter").children].forEach((bar, index) => bar.classList.toggle("on", index < on));
}

// ── the call ──

function call() {
  notice(null);
  transcript.clear();
  insight.clear();
  noted = "";
  byId("call-id").hidden = true;
  byId("clock").textContent = "0:00";
  phase("connecting", "Connecting …");
  const mine = (line = new Line());
  line.addEventListener("connected", () => mine === line && connected());
  line.addEventListener("unstable", () => mine === line && (byId("state").textContent = "Connection unstable …"));
  line.addEventListener("stable", () => mine === line && (byId("state").textContent = STATES[noted] ?? "Connected"));
  line.addEventListener("message", (event) => mine === line && received(event.detail));
  line.addEventListener("over", (event) => mine === line && over(event.detail));
  line.open();
}

function connected() {
  since = performance.now();
  clock = setInterval(showClock, 250);
  const audio = byId("audio");
  audio.srcObject = line.remote;
  audio.play().catch(() => {}); // a page that was clicked may play; the autoplay attribute is the second chance
  levels = new Levels();
  levels.watch(line.local, showMeter);
  levels.watch(line.remote, (level) => byId("orb").style.setProperty("--level", level.toFixed(2)));
  phase("call", "Connected");
}

function received(message) {
  if (message.type === "said") transcript.said(message.who, String(message.text), message.partial === true, message.unsure, message.number);
  else if (message.type === "redacted") transcript.redacted(message.number, String(message.text));
  else if (message.type === "step") insight.step(message);
  else if (message.type === "outcome" && message.text) transcript.outcome(String(message.text));
  else if (message.type === "turn") {
    insight.turn(message.latency_ms, message.stages);
    transcript.took(Number(message.latency_ms) || 0);
  } else if (message.type === "state") {
    showState(message.state);
    byId("call-id").textContent = String(message.call);
    byId("call-id").hidden = !message.call;
  }
}

function over(trouble) {
  const answered = clock !== 0;
  clearInterval(clock);
  clock = 0;
  levels?.close();
  levels = null;
  byId("audio").srcObject = null;
  notice(trouble);
  if (answered) {
    if (trouble) transcript.note("Call ended");
    phase("ended", trouble ? trouble.title : "Call ended");
  } else {
    byId("empty").hidden = byId("log").childElementCount > 0;
    phase("idle", trouble ? "Not connected" : "Ready when you are");
  }
  checkLine();
}

// ── the controls ──

function setMuted(muted) {
  byId("mute").ariaPressed = String(muted);
  byId("mute").lastElementChild.textContent = muted ? "Unmute" : "Mute";
  line?.mute(muted);
  if (document.body.dataset.phase === "call") byId("state").textContent = muted ? "You are muted" : (STATES[noted] ?? "Connected");
}

function openPad(open) {
  byId("keys").ariaExpanded = String(open);
  byId("pad").hidden = !open;
}

function press(key) {
  if (document.body.dataset.phase !== "call") return;
  line.key(key);
  const button = [...byId("pad").children].find((made) => made.dataset.key === key);
  button?.classList.add("hit");
  setTimeout(() => button?.classList.remove("hit"), 130);
}

byId("call").addEventListener("click", () => {
  const { phase: now } = document.body.dataset;
  if (now === "call" || now === "connecting") line.hangUp();
  else call();
});
byId("mute").addEventListener("click", () => setMuted(byId("mute").ariaPressed !== "true"));
byId("keys").addEventListener("click", () => openPad(byId("pad").hidden));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (/^[0-9*#]$/.test(event.key)) press(event.key);
  else if (event.key === "m" && !byId("mute").disabled) byId("mute").click();
});
window.addEventListener("pagehide", () => line?.drop());

for (const [key, letters] of KEYS) {
  const button = document.createElement("button");
  const small = document.createElement("small");
  button.type = "button";
  button.dataset.key = key;
  button.ariaLabel = key === "*" ? "Star" : key === "#" ? "Hash" : key;
  small.textContent = letters;
  button.append(key, small);
  button.addEventListener("click", () => press(key));
  byId("pad").append(button);
}
for (let index = 0; index < METER_BARS; index += 1) {
  const bar = document.createElement("i");
  if (index >= METER_BARS - 3) bar.className = "high";
  byId("meter").append(bar);
}

// ── what the server says without a call ──

async function checkLine() {
  let ready = "no";
  let text = "Server unreachable";
  try {
    const response = await fetch("/readyz", { cache: "no-store" });
    ready = response.ok ? "yes" : "no";
    text = response.ok ? "Line open" : "Line closed";
  } catch {
    // the words above say it
  }
  byId("line").dataset.ready = ready;
  byId("line-text").textContent = text;
}

async function loadHints() {
  const response = await fetch("/api/phone/hints").catch(() => null);
  const found = response?.ok ? (await response.json()).hints : [];
  hints = found.filter((hint) => typeof hint === "string" && hint);
  byId("hints").replaceChildren(
    ...hints.slice(0, 4).map((hint) => {
      const item = document.createElement("li");
      item.textContent = hint;
      item.classList.toggle("plain", hint.includes('"'));
      return item;
    }),
  );
  let next = 0;
  const turn = () => {
    const hint = hints[next++ % hints.length];
    byId("try-text").textContent = hint;
    byId("try-text").classList.toggle("plain", hint.includes('"'));
  };
  if (!hints.length) return;
  turn();
  setInterval(turn, HINT_MS);
}

checkLine();
setInterval(() => document.hidden || checkLine(), READY_MS);
loadHints();
