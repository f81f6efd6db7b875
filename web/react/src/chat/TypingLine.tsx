import type { Person } from '@doorbell/client';
import { useEffect } from 'react';
import { nameOf, useSurroundings } from '../provider/context.js';

/** Who is typing, in a line that is always there: nothing moves when it fills. */
export function TypingLine({ people }: { people: Person[] }) {
  const { wording, announcements } = useSurroundings();
  const { texts } = wording;
  const [first, second] = people;
  const sentence = !first ? ''
    : people.length > 2 ? texts.typingMany
    : second ? wording.say('typingTwo', { name: nameOf(first, wording), other: nameOf(second, wording) })
    : wording.say('typingOne', { name: nameOf(first, wording) });
  useEffect(() => {
    if (!first) return;
    announcements.typing(first.id, sentence);
    return () => announcements.noTyping(sentence);
  }, [announcements, first?.id, sentence]);
  return (
    <div className="db-typing">
      {sentence && <><span className="db-dots" aria-hidden="true"><i /><i /><i /></span><span>{sentence}</span></>}
    </div>
  );
}
