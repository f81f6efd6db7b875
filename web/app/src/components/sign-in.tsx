import { AppWindow } from 'lucide-react';
import { useSyncExternalStore } from 'react';
import { useListings, usePeople } from '../api';
import { useLanguage } from '../language';
import { openAs, signIn } from '../session';
import { Avatar } from './avatar';
import { Dialog } from './dialog';

let isOpen = false;
const listeners = new Set<() => void>();

function set(next: boolean) {
  isOpen = next;
  for (const listener of listeners) listener();
}

export const openSignIn = () => set(true);

/** Whom of the sample people one wants to be. Here there are no passwords. */
export function SignInDialog() {
  const shown = useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, () => isOpen);
  return shown ? <Choice /> : null;
}

function Choice() {
  const { words, role } = useLanguage();
  const { data: everybody = [] } = usePeople();
  const { data: homes = [] } = useListings();
  return (
    <Dialog title={words.signInTitle} onClose={() => set(false)}>
      <p className="pb-4 text-soft">{words.signInHint}</p>
      <ul className="grid gap-2">
        {everybody.map((person) => {
          const own = homes.filter((home) => home.owner?.id === person.id).length;
          return (
            <li key={person.id} className="flex items-stretch gap-2">
              <button
                type="button"
                onClick={() => {
                  set(false);
                  void signIn(person.id);
                }}
                className="flex min-h-16 flex-1 items-center gap-3.5 rounded-2xl border border-line px-3.5 text-start hover:border-brand hover:bg-brand-wash"
              >
                <Avatar person={person} size={44} />
                <span>
                  <span className="block font-semibold"><bdi>{person.name}</bdi></span>
                  <span className="block text-sm text-soft">{own === 0 ? role(person.role) : words.withHomes(role(person.role), own)}</span>
                </span>
              </button>
              <button type="button" onClick={() => openAs(person.id)} aria-label={words.windowAs(person.name ?? person.id)} title={words.windowAs(person.name ?? person.id)} className="grid w-13 place-items-center rounded-2xl border border-line text-soft hover:border-brand hover:text-ink">
                <AppWindow className="size-5" aria-hidden="true" />
              </button>
            </li>
          );
        })}
      </ul>
    </Dialog>
  );
}
