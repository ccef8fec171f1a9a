// Loudness of a stream, 0 to 1, for things that move with a voice.

const FLOOR_DB = -60;

export class Levels {
  #context = new AudioContext();
  #taps = [];
  #frame = 0;

  /** Calls `show(level)` about 30 times a second while the page is visible. */
  watch(stream, show) {
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 1024;
    const source = this.#context.createMediaStreamSource(stream);
    source.connect(analyser);
    this.#taps.push({ source, analyser, show, samples: new Float32Array(analyser.fftSize) });
    if (!this.#frame) this.#tick(0);
  }

  #tick = (count) => {
    if (count % 2 === 0) for (const tap of this.#taps) tap.show(loudness(tap));
    this.#frame = requestAnimationFrame(() => this.#tick(count + 1));
  };

  close() {
    cancelAnimationFrame(this.#frame);
    for (const tap of this.#taps) {
      tap.source.disconnect();
      tap.show(0);
    }
    this.#taps = [];
    this.#context.close();
  }
}

function loudness({ analyser, samples }) {
  analyser.getFloatTimeDomainData(samples);
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const db = 10 * Math.log10(sum / samples.length + 1e-12);
  return Math.min(1, Math.max(0, 1 - db / FLOOR_DB));
}
