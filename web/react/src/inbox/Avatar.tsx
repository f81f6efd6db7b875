import type { Person } from '@doorbell/client';
import { useState, type ReactNode } from 'react';
import { nameOf, useSurroundings } from '../provider/context.js';
import { usePresence } from '../provider/hooks.js';

const TINTS = 6;

/** The first letters of the first and the last word. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u);
  const picked = words.length > 1 ? [words[0]!, words.at(-1)!] : words;
  return picked.map((word) => [...new Intl.Segmenter().segment(word)][0]?.segment ?? '').join('').toUpperCase();
}

export function tintOf(id: string): number {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + character.codePointAt(0)!) % 9973;
  return sum % TINTS;
}

/** A picture that gives way to `fallback` when it cannot be loaded. */
export function Picture({ src, fallback, className }: { src: string | null | undefined; fallback: ReactNode; className: string }) {
  const [broken, setBroken] = useState<string | null>(null);
  if (!src || broken === src) return fallback;
  return <img className={className} src={src} alt="" loading="lazy" decoding="async" draggable={false} onError={() => setBroken(src)} />;
}

/** Beside a name that says the same, so it says nothing to screen readers. */
export function Avatar({ person, size = 'medium', withPresence = false }: { person: Person | null | undefined; size?: 'small' | 'medium' | 'large'; withPresence?: boolean }) {
  const { wording } = useSurroundings();
  const letters = <span className={`db-initials db-tint-${tintOf(person?.id ?? '')}`}>{initials(nameOf(person, wording))}</span>;
  return (
    <span className={`db-avatar db-avatar-${size}`} aria-hidden="true">
      <Picture className="db-avatar-picture" src={person?.image} fallback={letters} />
      {withPresence && person && <PresenceDot userId={person.id} />}
    </span>
  );
}

/** Two people of a group. */
export function AvatarPair({ people }: { people: Person[] }) {
  return <span className="db-face-pair"><Avatar person={people[0]} /><Avatar person={people[1] ?? people[0]} /></span>;
}

function PresenceDot({ userId }: { userId: string }) {
  return usePresence(userId)?.status === 'online' ? <span className="db-presence-dot" /> : null;
}
