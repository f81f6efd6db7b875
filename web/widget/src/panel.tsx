// The chat itself, in the shadow root that the loader has made. Loaded when somebody is about to use it.
import { createClient, type Reason } from '@doorbell/client';
import { DoorbellProvider, usePopup } from '@doorbell/react';
import base from '@doorbell/react/styles/base.css?inline';
import composer from '@doorbell/react/styles/composer.css?inline';
import popupStyles from '@doorbell/react/styles/popup.css?inline';
import timeline from '@doorbell/react/styles/timeline.css?inline';
import { createRoot } from 'react-dom/client';
import { RETURNING_KEY, type Panel, type Surroundings } from './api.js';
import { Asking } from './asking.js';
import { complain, watchPolicy } from './diagnosis.js';
import { loadTexts } from './languages.js';
import { describer } from './listings.js';
import ownStyles from './panel.css?inline';
import { signIn, tokenSource } from './session.js';
import { dress, wear } from './sheets.js';
import type { Target } from './settings.js';
import { Value } from './store.js';
import { View } from './View.js';
import { localeOf } from './words.js';

for (const sheet of [base, timeline, composer, popupStyles, ownStyles]) wear(sheet);

export async function start(surroundings: Surroundings): Promise<Panel> {
  const { settings, root, emit } = surroundings;
  const locale = localeOf(settings.locale);
  const texts = await loadTexts(locale);
  dress(root);

  const client = createClient({ url: settings.server, token: tokenSource(surroundings) });
  const diagnosis = new Value<Reason | null>(null);
  const told = new Set<string>();
  const tell = (reason: Reason) => {
    if (told.has(reason.message)) return;
    told.add(reason.message);
    complain(reason);
    emit('error', reason);
  };
  const diagnose = (reason: Reason) => {
    diagnosis.set(reason);
    tell(reason);
  };

  let popup: ReturnType<typeof usePopup> | undefined;
  let shown: string | null | undefined;
  const asking = new Asking(client, (conversationId) => {
    // Whoever has closed it meanwhile does not want it any more.
    if (popup?.isOpen) popup.open(conversationId);
  });
  const describe = describer();
  const place = document.createElement('div');
  root.append(place);
  const tree = createRoot(place);
  tree.render(
    <DoorbellProvider client={client} theme={settings.theme} locale={locale} texts={texts}
      describeListing={describe} titleCount={settings.titleCount} notifications={settings.notifications} onSignIn={signIn(surroundings)}>
      <View settings={settings} texts={texts} asking={asking} diagnosis={diagnosis} onSignIn={signIn(surroundings)} onPopup={(now) => {
        popup = now;
        const next = now.isOpen ? now.conversationId : undefined;
        if (next === shown) return;
        shown = next;
        if (now.isOpen) emit('open', { conversationId: now.conversationId });
        else {
          asking.forget();
          emit('close', undefined);
        }
        if (now.isOpen && now.conversationId) remember();
      }} />
    </DoorbellProvider>,
  );

  const stops = [
    client.on('state', (state) => {
      if (state.status === 'online' || state.status === 'polling') diagnosis.set(null);
      if (state.status === 'refused' && state.reason) tell(state.reason);
      if (state.status === 'offline' && state.reason?.code === 'NETWORK') {
        const { reason } = state;
        // A part that does not come either knows no better reason.
        const look = import('./unreachable.js').then(({ whyUnreachable }) => whyUnreachable(settings.server, reason), () => reason);
        void look.then((why) => why !== reason && client.state.get().status === 'offline' && diagnose(why));
      }
    }),
    client.on('error', tell),
    client.on('message', ({ conversationId, senderId, content }) => emit('message', { conversationId, senderId, content })),
    client.inbox.unread.subscribe(() => emit('unread', client.inbox.unread.get())),
    watchPolicy(settings.server, diagnose),
  ];
  // What was asked for before a reload, or before signing in elsewhere.
  if (popup?.isOpen) asking.again();

  return {
    open(target: Target, opener: Element | null) {
      if (target && 'conversationId' in target) {
        popup?.open(target.conversationId, opener);
        return;
      }
      asking.forget();
      popup?.open(null, opener);
      if (client.state.get().status === 'signed-out') client.connect();
      if (target) asking.ask(target);
    },
    close: () => popup?.close(),
    destroy() {
      for (const stop of stops) stop();
      tree.unmount();
      place.remove();
      void client.close();
    },
  };
}

/** From now on it is worth connecting without being asked: somebody may answer. */
function remember(): void {
  try {
    localStorage.setItem(RETURNING_KEY, '1');
  } catch {
    // Then the count of unread messages comes when the chat is opened.
  }
}
