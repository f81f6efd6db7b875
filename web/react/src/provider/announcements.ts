import type { Store } from '@doorbell/client';
import { value } from './value.js';

/** What is read aloud: one polite voice for the whole page, and one that interrupts for errors. */
export interface Announcements {
  readonly spoken: Store<{ polite: string; assertive: string }>;
  /** A message that came in. Several within a moment become one sentence. */
  message(sentence: string): void;
  polite(sentence: string): void;
  /** Who is typing; one person at most once in 20 seconds. */
  typing(who: string, sentence: string): void;
  /** They have stopped: whoever reads the page later must not find it there. */
  noTyping(sentence: string): void;
  assertive(sentence: string): void;
  close(): void;
}

const BURST_MILLISECONDS = 900;
const TYPING_MILLISECONDS = 20_000;

export function createAnnouncements(summary: (count: number) => string): Announcements {
  const spoken = value({ polite: '', assertive: '' });
  const waiting: string[] = [];
  const lastTyping = new Map<string, number>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  function say(part: 'polite' | 'assertive', sentence: string) {
    // A sentence that equals the one before it would not be read again.
    const before = spoken.get();
    spoken.set({ ...before, [part]: before[part] === sentence ? `${sentence}\u00a0` : sentence });
  }

  return {
    spoken,
    message(sentence) {
      waiting.push(sentence);
      timer ??= setTimeout(() => {
        timer = undefined;
        const [first, ...rest] = waiting.splice(0);
        say('polite', rest.length === 0 ? first! : summary(rest.length + 1));
      }, BURST_MILLISECONDS);
    },
    polite: (sentence) => say('polite', sentence),
    typing(who, sentence) {
      const now = Date.now();
      if (now - (lastTyping.get(who) ?? -Infinity) < TYPING_MILLISECONDS) return;
      lastTyping.clear();
      lastTyping.set(who, now);
      say('polite', sentence);
    },
    noTyping(sentence) {
      if (spoken.get().polite.startsWith(sentence)) say('polite', '');
    },
    assertive: (sentence) => say('assertive', sentence),
    close: () => clearTimeout(timer),
  };
}
