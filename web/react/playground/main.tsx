import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { Chat, ContactOwner, DoorbellProvider, Inbox, NothingSelected } from '../src/index.js';
import type { FakeClient } from './fake/client.js';
import { clientFor, STATES } from './states.js';
import './playground.css';

// ?state=chat&theme=dark&locale=ar&accent=%23b4472f
const parameters = new URLSearchParams(location.search);
const name = parameters.get('state') ?? 'both';
const state = STATES[name];
const theme = (parameters.get('theme') ?? 'auto') as 'auto' | 'light' | 'dark';
const locale = parameters.get('locale') ?? 'en';

declare global {
  interface Window {
    client: FakeClient;
    states: string[];
  }
}

function Stage() {
  const [activeId, setActiveId] = useState<string | null>(state?.conversationId ?? null);
  const heading = <h1 className="db-unseen">{name}</h1>;
  switch (state?.view) {
    case 'inbox':
      return <main className="stage">{heading}<Inbox activeId={activeId} onOpen={setActiveId} /></main>;
    case 'nothing':
      return <main className="stage stage-both">{heading}<Inbox onOpen={setActiveId} />{activeId ? <Chat conversationId={activeId} /> : <NothingSelected />}</main>;
    case 'both':
      return <main className="stage stage-both">{heading}<Inbox activeId={activeId} onOpen={setActiveId} />{activeId && <Chat conversationId={activeId} />}</main>;
    case 'page':
      return (
        <main className="stage-page">
          <h1>Two listings</h1>
          <div><ContactOwner listingId="l-1" ownerId="u-ana" /><ContactOwner listingId="l-2" ownerId="u-ben">Ask Ben</ContactOwner>{parameters.has('broken') && <ContactOwner listingId="l-3" ownerId="">Ask nobody</ContactOwner>}</div>
        </main>
      );
    default:
      return <main className="stage">{heading}{activeId && <Chat conversationId={activeId} onBack={parameters.has('back') ? () => {} : undefined} />}</main>;
  }
}

window.states = Object.keys(STATES);
document.documentElement.lang = locale;
document.documentElement.dir = locale.startsWith('ar') ? 'rtl' : 'ltr';
if (theme !== 'auto') document.documentElement.dataset.theme = theme;
if (!state) {
  document.querySelector('#app')!.textContent = `There is no state “${name}”. There are: ${window.states.join(', ')}.`;
} else {
  window.client = clientFor(state);
  state.then?.(window.client);
  createRoot(document.querySelector('#app')!).render(
    <StrictMode>
      <DoorbellProvider client={window.client} theme={theme} locale={locale} accent={parameters.get('accent') ?? undefined} browse={{ href: '#/' }} onSignIn={() => {}}>
        <Stage />
      </DoorbellProvider>
    </StrictMode>,
  );
}
