import { Chat, Inbox, NothingSelected, useSession as useConnection } from '@doorbell/react';
import { Users } from 'lucide-react';
import { useState } from 'react';
import { AboutConversation } from '../components/about-conversation';
import { NewGroup } from '../components/new-group';
import { Notice } from '../components/notice';
import { SafetyBar } from '../components/safety';
import { useWords } from '../language';
import { useClosedPopup } from '../popup';
import { isBeingSetUp, isDemo } from '../server';
import { useTitle } from '../title';
import { useTurns } from '../turns';

function Title({ onNewGroup }: { onNewGroup(): void }) {
  const words = useWords();
  return (
    <header className="flex items-center justify-between gap-3 px-4 pt-4 pb-1">
      <h1 className="text-2xl">{words.messages}</h1>
      {isDemo && <button type="button" onClick={onNewGroup} className="button button-plain min-h-10 px-3.5 text-sm"><Users className="size-4" aria-hidden="true" />{words.newGroup}</button>}
    </header>
  );
}

/** Below it list and chat take turns. */
const NARROW = '(max-width: 767px)';
const hrefFor = (id: string | null) => (id === null ? '/messages' : `/messages/${id}`);

/** `/messages`, `/messages/:id`: the list and the chat, side by side where there is room, else one of them. */
export function Messages({ id }: { id: string | null }) {
  const words = useWords();
  useTitle(words.messages);
  const [isMakingGroup, setIsMakingGroup] = useState(false);
  const { state } = useConnection();
  const { isNarrow, list, chat, open, back, autoFocus } = useTurns<HTMLElement>({ id, hrefFor, narrow: NARROW });
  useClosedPopup();
  if (!isDemo && state.status === 'signed-out') return <SignedOut />;
  return (
    <div className="grid h-[calc(100dvh-4rem-1px)] grid-cols-[minmax(0,1fr)] overflow-hidden bg-card md:grid-cols-[minmax(18rem,23rem)_minmax(0,1fr)] xl:grid-cols-[23rem_minmax(0,1fr)_auto]">
      {id && isNarrow && <h1 className="sr-only">{words.messages}</h1>}
      <section ref={list} tabIndex={-1} aria-label={words.allConversations} className={`flex outline-none min-h-0 flex-col border-line md:border-e ${id ? 'max-md:hidden' : ''}`}>
        <Inbox activeId={id} onOpen={open} className="min-h-0 flex-1" header={<Title onNewGroup={() => setIsMakingGroup(true)} />} />
      </section>
      <section ref={chat} tabIndex={-1} aria-label={words.chat} className={`flex min-h-0 flex-col outline-none ${id ? '' : 'max-md:hidden'}`}>
        {/* Where there is room, it stands at the side. */}
        {id && <SafetyBar id={id} className="xl:hidden" />}
        {id ? <Chat conversationId={id} autoFocus={autoFocus} {...(isNarrow && { onBack: back })} className="min-h-0 flex-1" /> : <div className="grid min-h-0 flex-1"><NothingSelected /></div>}
      </section>
      {id && <AboutConversation key={id} id={id} />}
      {isMakingGroup && (
        <NewGroup
          onClose={() => setIsMakingGroup(false)}
          onMade={(conversation) => {
            setIsMakingGroup(false);
            open(conversation.id);
          }}
        />
      )}
    </div>
  );
}

/** In a hosted inbox: somebody came without a session of the site. */
function SignedOut() {
  const words = useWords();
  return (
    <Notice title={words.nobodySignedIn} action={<WayBack />}>
      <p>{words.nobodySignedInHint}</p>
      {isBeingSetUp && (
        <>
          <p className="mt-4 text-sm">{words.youRunIt} <code>NEXTAUTH_SECRET</code> <code>AUTH_SECRET</code></p>
          <p className="mt-1 text-sm">{words.sampleCommand} <code>doorbell demo</code></p>
        </>
      )}
    </Notice>
  );
}

/** To the site that somebody came from; else they have signed in in another tab, and look again. */
function WayBack() {
  const words = useWords();
  const from = URL.canParse(document.referrer) ? new URL(document.referrer) : null;
  if (from && from.origin !== location.origin) return <a href={`${from.origin}/`} className="button button-brand">{words.backTo(from.host)}</a>;
  return <button type="button" className="button button-brand" onClick={() => location.reload()}>{words.tryAgain}</button>;
}
