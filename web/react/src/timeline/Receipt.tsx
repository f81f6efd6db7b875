import type { MessageStatus } from '@doorbell/client';
import { useState } from 'react';
import { useSurroundings } from '../provider/context.js';
import { ClockIcon, FailedIcon, ReadIcon, TickIcon } from '../theme/icons.js';

const ICONS = { queued: ClockIcon, sending: ClockIcon, sent: TickIcon, read: ReadIcon, failed: FailedIcon };
const WORDS = { queued: 'statusQueued', sending: 'statusSending', sent: 'statusSent', read: 'statusRead', failed: 'statusFailed' } as const;

/** How far a message of one's own is: a sign, and the same in words. In groups it tells on demand who has read it. */
export function Receipt({ status, readers }: { status: MessageStatus; readers: string[] | null }) {
  const { wording } = useSurroundings();
  const { texts } = wording;
  const [isOpen, setOpen] = useState(false);
  const Icon = ICONS[status];
  const words = texts[WORDS[status]];
  if (readers === null || (status !== 'sent' && status !== 'read')) {
    return (
      <span className="db-receipt" data-status={status} title={words}>
        <Icon />
        {status !== 'failed' && <span className="db-unseen">{words}</span>}
      </span>
    );
  }
  const count = readers.length;
  const GroupIcon = count > 0 ? ReadIcon : TickIcon;
  const summary = count === 0 ? texts.statusSent : wording.say('readBy', { count });
  return (
    <>
      <button type="button" className="db-receipt db-receipt-button" data-status={count > 0 ? 'read' : 'sent'} aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        <GroupIcon />
        <span className="db-unseen">{summary}</span>
        {count > 0 && <span aria-hidden="true">{wording.number(count)}</span>}
      </button>
      {isOpen && <span className="db-readers">{count === 0 ? texts.readByNobody : wording.say('readByNames', { names: wording.names(readers) })}</span>}
    </>
  );
}
