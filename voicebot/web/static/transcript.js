// The conversation as bubbles. Every text goes in as text, never as markup.

const NEAR_END_PX = 80;

export class Transcript {
  #partial = { bot: null, caller: null };
  #bubbles = new Map();

  constructor(list, scroll, empty) {
    this.list = list;
    this.scroll = scroll;
    this.empty = empty;
  }

  clear() {
    this.list.replaceChildren();
    this.#partial = { bot: null, caller: null };
    this.#bubbles.clear();
    this.empty.hidden = true;
  }

  /**
   * @param unsure places of the words that were guessed; spaces part words.
   * @param number by which `redacted` names it.
   */
  said(who, text, partial, unsure, number) {
    if (who !== "bot" && who !== "caller") return;
    const bubble = this.#partial[who] ?? this.#add(who);
    bubble.classList.toggle("partial", partial);
    bubble.replaceChildren(hidden(who === "bot" ? "Northwind: " : "You: "), ...marked(text, unsure));
    this.#bubbles.set(number, bubble);
    this.#partial[who] = partial ? bubble : null;
    this.#follow();
  }

  /** Words that were said hold a secret, as is known now: these stand instead. */
  redacted(number, text) {
    const bubble = this.#bubbles.get(number);
    if (bubble) bubble.replaceChildren(bubble.firstChild, text);
  }

  note(text) {
    this.#add("note").textContent = text;
    this.#follow();
  }

  /** How long the answer to the last words of the caller took. */
  took(ms) {
    this.#add("took").textContent = `answered in ${Math.round(ms)} ms`;
    this.#follow();
  }

  outcome(text) {
    const label = document.createElement("b");
    label.textContent = "Outcome";
    this.#add("outcome").append(label, text);
    this.#follow();
  }

  #add(kind) {
    const item = document.createElement("li");
    item.className = kind;
    this.list.append(item);
    return item;
  }

  #follow() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroll;
    const added = this.list.lastElementChild?.offsetHeight ?? 0;
    if (scrollHeight - scrollTop - clientHeight < added + NEAR_END_PX) this.scroll.scrollTop = scrollHeight;
  }
}

function hidden(text) {
  const span = document.createElement("span");
  span.className = "aside";
  span.textContent = text;
  return span;
}

/** Text nodes and, for words that were guessed, spans. */
function marked(text, unsure) {
  if (!Array.isArray(unsure) || !unsure.length) return [text];
  return text.split(" ").flatMap((word, at) => {
    const gap = at ? [" "] : [];
    if (!unsure.includes(at)) return [...gap, word];
    const span = document.createElement("span");
    span.className = "unsure";
    span.title = "hardly understood";
    span.textContent = word;
    return [...gap, span];
  });
}
