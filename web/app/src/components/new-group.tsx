import type { Conversation } from '@doorbell/client';
import { useInbox } from '@doorbell/react';
import { useState } from 'react';
import { usePeople } from '../api';
import { useWords } from '../language';
import { useSession } from '../session';
import { Avatar } from './avatar';
import { Dialog } from './dialog';

const MOST_TITLE_CHARS = 200;

/** A title, and who takes part. */
export function NewGroup({ onClose, onMade }: { onClose(): void; onMade(conversation: Conversation): void }) {
  const words = useWords();
  const { user } = useSession();
  const { openConversation } = useInbox();
  const { data: everybody = [] } = usePeople();
  const [title, setTitle] = useState('');
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [fault, setFault] = useState<string | null>(null);
  const [isMaking, setIsMaking] = useState(false);

  async function make() {
    if (title.trim() === '') return setFault(words.giveName);
    if (chosen.size === 0) return setFault(words.choosePerson);
    setIsMaking(true);
    try {
      onMade(await openConversation({ title: title.trim(), participantIds: [...chosen] }));
    } catch (error) {
      setFault(error instanceof Error ? error.message : words.groupFailed);
      setIsMaking(false);
    }
  }

  return (
    <Dialog title={words.newGroup} onClose={onClose}>
      <form className="grid gap-4" onSubmit={(event) => { event.preventDefault(); void make(); }} noValidate>
        <label className="grid gap-1.5 font-semibold">
          {words.groupName}
          <input value={title} maxLength={MOST_TITLE_CHARS} onChange={(event) => setTitle(event.target.value)} className="field font-normal" placeholder={words.groupNameHint} />
        </label>
        <fieldset className="grid gap-1">
          <legend className="pb-1.5 font-semibold">{words.whoTakesPart}</legend>
          {everybody.filter((person) => person.id !== user?.id).map((person) => (
            <label key={person.id} className="-mx-2 flex min-h-12 cursor-pointer items-center gap-3 rounded-2xl px-2 hover:bg-sunk has-checked:bg-brand-wash">
              <input
                type="checkbox"
                className="size-5 accent-brand"
                checked={chosen.has(person.id)}
                onChange={(event) => {
                  const next = new Set(chosen);
                  if (event.target.checked) next.add(person.id);
                  else next.delete(person.id);
                  setChosen(next);
                }}
              />
              <Avatar person={person} size={36} />
              <bdi>{person.name}</bdi>
            </label>
          ))}
        </fieldset>
        {fault && <p role="alert" className="rounded-xl bg-sunk px-4 py-2.5 font-semibold">{fault}</p>}
        <button type="submit" disabled={isMaking} className="button button-brand">{isMaking ? words.makingGroup : words.makeGroup}</button>
      </form>
    </Dialog>
  );
}
