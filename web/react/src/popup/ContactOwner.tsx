import { useEffect, useState, type MouseEvent, type ReactNode } from 'react';
import { useStore, useSurroundings } from '../provider/context.js';
import { useSession } from '../provider/hooks.js';
import { ChatIcon } from '../theme/icons.js';

export interface ContactOwnerProps {
  listingId: string;
  ownerId: string;
  /** At the lower left corner of the page, or where it is placed. Default: where it is placed. */
  placement?: 'inline' | 'corner';
  /** Instead of the built-in text. */
  children?: ReactNode;
  className?: string;
}

/** Opens the conversation about a listing, or begins it, and shows it in the popup. Nothing for its owner, and for nobody signed in. */
export function ContactOwner({ listingId, ownerId, placement = 'inline', children, className = '' }: ContactOwnerProps) {
  const { client, popup, root, wording, announcements, onSignIn } = useSurroundings();
  const { me, state } = useSession();
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const { isOpen } = useStore(popup.state);
  const { texts } = wording;
  const isSignedOut = state.status === 'signed-out';
  const isWhole = Boolean(listingId && ownerId);
  useEffect(() => {
    if (!isWhole) console.warn('<ContactOwner> shows nothing: give it listingId and ownerId.', { listingId, ownerId });
  }, [isWhole, listingId, ownerId]);
  if (!isWhole || me?.id === ownerId || (!me && !(isSignedOut && onSignIn))) return null;

  const open = async (event: MouseEvent<HTMLButtonElement>) => {
    if (isSignedOut) return onSignIn?.();
    const opener = event.currentTarget;
    setBusy(true);
    setProblem(null);
    try {
      const { id } = await client.openConversation({ listingId, ownerId });
      popup.open(id, opener);
    } catch (error) {
      const sentence = `${texts.contactFailed} ${(error as Error).message}`;
      setProblem(sentence);
      announcements.assertive(sentence);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className={`db-root db-contact ${className}`} data-placement={placement} {...root}>
      <button type="button" className="db-button db-button-primary" aria-busy={isBusy} aria-haspopup="dialog" aria-expanded={isOpen} disabled={isBusy} onClick={(event) => void open(event)}>
        <ChatIcon />{children ?? texts.contactOwner}
      </button>
      {problem && <p className="db-contact-problem">{problem}</p>}
    </div>
  );
}
