import { useConversation } from '@doorbell/react';
import { ShieldCheck, X } from 'lucide-react';
import { useState } from 'react';
import { useWords } from '../language';

const KEY = 'latchkey:safety';

/** Above a chat about a home: what to beware of, until somebody has read it on this device. */
export function SafetyBar({ id, className = '' }: { id: string; className?: string }) {
  const words = useWords();
  const { conversation } = useConversation(id);
  const [isRead, setRead] = useState(() => localStorage.getItem(KEY) !== null);
  if (isRead || !conversation?.listing) return null;
  const close = () => {
    localStorage.setItem(KEY, 'read');
    setRead(true);
  };
  return (
    <aside aria-label={words.safety} className={`flex items-center gap-3 bg-brand-wash ps-4 pe-1 text-sm text-pretty ${className}`}>
      <ShieldCheck className="size-5 shrink-0 text-brand" aria-hidden="true" />
      <p className="flex-1 py-2">{words.safetyShort}</p>
      <button type="button" onClick={close} aria-label={words.close} className="grid size-11 shrink-0 place-items-center rounded-full text-soft hover:text-ink">
        <X className="size-5" aria-hidden="true" />
      </button>
    </aside>
  );
}
