// The dialog's step, intent and slots, and how long each turn took.

const STAGES = [
  ["endpoint", "End of speech"],
  ["asr", "Recognition"],
  ["dialog", "Understanding"],
  ["action", "Backend"],
  ["tts", "Speech"],
  ["other", "Other"],
];
const MAX_TURNS = 10;
const GOAL_MS = 400;

const byId = (id) => document.getElementById(id);
const className = (stage) => (stage === "dialog" ? "dialog-stage" : stage);

/** order_status → Order status */
function words(name) {
  const text = String(name).replaceAll(/[_-]+/g, " ").trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function element(tag, text = "", kind = "") {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

export class Insight {
  #turns = [];
  #slots = {};

  constructor() {
    this.clear();
  }

  clear() {
    this.#turns = [];
    this.#slots = {};
    byId("step").replaceChildren(element("span", "No call yet", "quiet"));
    this.#showIntent("", 0);
    this.#showSlots({});
    this.#draw();
  }

  step({ flow, step, intent, confidence, slots }) {
    const parts = [flow, ...String(step ?? "").split(".")].filter(Boolean).map(words);
    const path = parts.slice(-2).flatMap((part, index) => (index ? [element("i", "›"), part] : [part]));
    byId("step").replaceChildren(...path);
    this.#showIntent(intent, confidence);
    if (slots && typeof slots === "object") this.#showSlots(slots);
  }

  #showIntent(intent, confidence) {
    const sure = Math.round(100 * Math.min(1, Math.max(0, Number(confidence) || 0)));
    byId("intent").textContent = intent ? words(intent) : "–";
    byId("intent").classList.toggle("quiet", !intent);
    byId("confidence").textContent = intent ? `${sure} %` : "";
    byId("gauge").style.width = intent ? `${sure}%` : "0";
  }

  #showSlots(slots) {
    const rows = Object.entries(slots).filter(([, value]) => value !== "" && value !== null);
    byId("slots").replaceChildren(
      ...rows.map(([name, value]) => {
        const row = element("div", "", this.#slots[name] === value ? "" : "new");
        row.append(element("dt", words(name)), element("dd", String(value)));
        return row;
      }),
    );
    byId("no-slots").hidden = rows.length > 0;
    this.#slots = slots;
  }

  turn(latency, stages) {
    this.#turns.push({ latency: Number(latency) || 0, stages: stages ?? {} });
    this.#draw();
  }

  #draw() {
    // The median is voice to voice: an answer to a key press, which waits for no end of speech, is not in it.
    const spoken = this.#turns.filter((turn) => turn.stages.endpoint > 0);
    const all = spoken.map((turn) => turn.latency).sort((a, b) => a - b);
    const middle = all.length ? Math.round((all[(all.length - 1) >> 1] + all[all.length >> 1]) / 2) : null;
    const last = this.#turns.at(-1);
    byId("p50").textContent = middle ?? "–";
    byId("last").textContent = last ? Math.round(last.latency) : "–";

    const top = 1.12 * Math.max(GOAL_MS, ...this.#turns.slice(-MAX_TURNS).map((turn) => turn.latency));
    const goal = element("div", "", "goal");
    goal.style.bottom = `${(100 * GOAL_MS) / top}%`;
    goal.append(element("span", `${GOAL_MS} ms`));
    byId("chart").replaceChildren(goal, ...this.#turns.slice(-MAX_TURNS).map((turn) => bar(turn, top)));
    byId("chart").ariaLabel = last ? `${this.#turns.length} turns, median ${middle ?? "unknown"} ms, last ${Math.round(last.latency)} ms` : "No turns yet";
    this.#legend();
  }

  #legend() {
    const used = new Set(this.#turns.flatMap((turn) => Object.keys(parts(turn))));
    const shown = used.size ? STAGES.filter(([stage]) => used.has(stage)) : STAGES.slice(0, 3);
    byId("legend").replaceChildren(
      ...shown.map(([stage, label]) => {
        const item = element("li");
        item.append(element("i", "", className(stage)), label);
        return item;
      }),
    );
  }
}

/** Stage → share of the turn's latency in ms. Recognition runs inside the silence that ends the turn and is taken out of it. */
function parts({ latency, stages }) {
  const found = {};
  let sum = 0;
  for (const [stage] of STAGES) {
    const inside = stage === "endpoint" ? Number(stages.asr) || 0 : 0;
    const ms = (Number(stages[stage]) || 0) - inside;
    if (ms <= 0 || stage === "other") continue;
    found[stage] = ms;
    sum += ms;
  }
  if (sum > latency) for (const stage of Object.keys(found)) found[stage] *= latency / sum;
  else if (latency - sum > 0.05 * latency) found.other = latency - sum;
  return found;
}

function bar(turn, top) {
  const made = element("div", "", "turn");
  made.style.height = `${(100 * turn.latency) / top}%`;
  const measured = Object.entries(turn.stages).map(([stage, ms]) => `${stage} ${Math.round(ms)}`);
  made.title = `${Math.round(turn.latency)} ms: ${measured.join(", ")}`;
  for (const [stage, ms] of Object.entries(parts(turn))) {
    const piece = element("i", "", className(stage));
    piece.style.flexGrow = ms;
    made.append(piece);
  }
  return made;
}
