// One call: microphone, peer connection, data channel. Tells what happens by events, and shows nothing itself.

const GATHER_MS = 250; // the server finds our address by itself, so candidates need not be complete
const CONNECT_MS = 10000; // the server gives the line to somebody else after 8 s
const UNSTABLE_MS = 6000;
const BYE_MS = 2500; // after hanging up: time for the last words of the server

/** Why a call did not come about or ended, in words that help. */
export class Trouble extends Error {
  constructor(title, text) {
    super(text);
    this.title = title;
  }
}

/** Opens the microphone. Throws Trouble. */
async function microphone() {
  if (!window.isSecureContext || !navigator.mediaDevices) {
    throw new Trouble("The microphone needs a secure page", "Browsers only allow it on https:// addresses and on localhost. Open this page by one of them.");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
    });
  } catch (error) {
    if (error.name === "NotAllowedError" || error.name === "SecurityError") {
      throw new Trouble("The microphone is blocked", "Allow it for this page (the icon left of the address), then call again.");
    }
    if (error.name === "NotFoundError" || error.name === "OverconstrainedError") {
      throw new Trouble("No microphone was found", "Connect one, or choose one in your system's sound settings, then call again.");
    }
    throw new Trouble("The microphone cannot be used", "Another program may be using it. Close that program, then call again.");
  }
}

/** Sends the offer. Returns the answer. Throws Trouble. */
async function exchange(description) {
  let response;
  try {
    response = await fetch("/api/phone/offer", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ type: description.type, sdp: description.sdp }),
    });
  } catch {
    throw new Trouble("The server cannot be reached", "Check that it is running and that you are online, then call again.");
  }
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  if (problem.error === "busy") throw new Trouble("All lines are busy", "Every line is taken right now. Please call again in half a minute.");
  if (problem.error === "starting") throw new Trouble("The line is not open", "The server is starting or stopping. Please call again in a moment.");
  throw new Trouble("The call was refused", problem.message || `The server answered with status ${response.status}.`);
}

/**
 * A call. Events: "connected", "message" (detail: object), "unstable", "stable", and "over" (detail: Trouble or null) once.
 * `local` and `remote` are the streams, for level meters.
 */
export class Line extends EventTarget {
  #pc = null;
  #channel = null;
  #over = false;
  #leaving = false;
  #connected = false;
  #timer = 0;

  async open() {
    try {
      this.local = await microphone();
      if (this.#over) return this.#close();
      await this.#negotiate();
    } catch (error) {
      this.#finish(error instanceof Trouble ? error : new Trouble("The call did not start", "Your browser could not set up the call. Try again, or try another browser."));
    }
  }

  async #negotiate() {
    const pc = (this.#pc = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" }));
    this.#channel = pc.createDataChannel("events");
    this.#channel.addEventListener("message", (event) => this.#message(event.data));
    this.#channel.addEventListener("close", () => this.#finish(null));
    const [track] = this.local.getAudioTracks();
    track.addEventListener("ended", () => this.#finish(new Trouble("The microphone was disconnected", "Connect it again, then call again.")));
    const sender = pc.addTransceiver(track, { direction: "sendrecv", streams: [this.local] });
    this.remote = new MediaStream([sender.receiver.track]);
    pc.addEventListener("connectionstatechange", () => this.#stateChanged());
    await pc.setLocalDescription();
    await gathered(pc);
    const answer = await exchange(pc.localDescription);
    if (this.#over) return;
    await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    this.#timer = setTimeout(() => this.#lost(), CONNECT_MS);
  }

  #stateChanged() {
    const state = this.#pc.connectionState;
    if (state === "connected") {
      clearTimeout(this.#timer);
      this.#tell(this.#connected ? "stable" : "connected");
      this.#connected = true;
    } else if (state === "disconnected") {
      this.#tell("unstable");
      this.#timer = setTimeout(() => this.#lost(), UNSTABLE_MS);
    } else if (state === "failed") {
      this.#lost();
    } else if (state === "closed") {
      this.#finish(null);
    }
  }

  #lost() {
    if (this.#connected) this.#finish(new Trouble("The connection was lost", "Your network or the server went away. Call again when it is back."));
    else this.#finish(new Trouble("The call could not connect", "A firewall may be stopping audio (UDP) between this browser and the server."));
  }

  #message(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (message && typeof message === "object") this.dispatchEvent(new CustomEvent("message", { detail: message }));
  }

  key(key) {
    this.#send({ type: "key", key });
  }

  mute(muted) {
    for (const track of this.local?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  /** Ends the call. What the server still has to say arrives within BYE_MS. */
  hangUp() {
    if (this.#over) return;
    this.#leaving = true;
    const told = this.#send({ type: "bye" });
    this.#finish(null, told ? BYE_MS : 0);
  }

  /** For a page that goes away. */
  drop() {
    this.#send({ type: "bye" });
    this.#pc?.close();
  }

  #send(message) {
    if (this.#channel?.readyState !== "open") return false;
    this.#channel.send(JSON.stringify(message));
    return true;
  }

  #finish(trouble, linger = 0) {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    for (const track of this.local?.getTracks() ?? []) track.stop();
    setTimeout(() => this.#close(), linger);
    this.#tell("over", this.#leaving ? null : trouble);
  }

  #close() {
    for (const track of this.local?.getTracks() ?? []) track.stop();
    this.#pc?.close();
  }

  #tell(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

function gathered(pc) {
  return new Promise((resolve) => {
    if (pc.iceGatheringState === "complete") return resolve();
    pc.addEventListener("icegatheringstatechange", () => pc.iceGatheringState === "complete" && resolve());
    setTimeout(resolve, GATHER_MS);
  });
}
