let context: AudioContext | undefined;

/** Two notes of a door bell. Computed, so that there is no file to load. By a promise: a bundle can keep it in a file of its own. */
export async function chime(): Promise<void> {
  // Browsers let a page sound only after somebody has touched it.
  if (typeof AudioContext === 'undefined' || navigator.userActivation?.hasBeenActive === false) return;
  context ??= new AudioContext();
  const start = context.currentTime + 0.02;
  for (const [frequency, delay] of [[659.3, 0], [523.3, 0.28]] as const) {
    const tone = context.createOscillator();
    const loudness = context.createGain();
    tone.type = 'sine';
    tone.frequency.value = frequency;
    loudness.gain.setValueAtTime(0, start + delay);
    loudness.gain.linearRampToValueAtTime(0.14, start + delay + 0.015);
    loudness.gain.exponentialRampToValueAtTime(0.001, start + delay + 0.7);
    tone.connect(loudness).connect(context.destination);
    tone.start(start + delay);
    tone.stop(start + delay + 0.75);
  }
}
