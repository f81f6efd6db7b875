import type { DoorbellClient } from '@doorbell/client';
import { useEffect, useMemo, useRef, type CSSProperties, type ReactNode } from 'react';
import { ChatPopup } from '../popup/ChatPopup.js';
import { wordingFor, type Texts } from '../texts/index.js';
import { accentVariables, parseColour } from '../theme/accent.js';
import { createAnnouncements } from './announcements.js';
import { SurroundingsContext, useStore, useSurroundings, type Site, type Surroundings } from './context.js';
import { Notifier } from './Notifier.js';
import { createPopup } from './popup.js';

export interface DoorbellProviderProps extends Site {
  client: DoorbellClient;
  /** Default: as the reader's system is set. */
  theme?: 'auto' | 'light' | 'dark';
  /** Brand colour, any CSS colour. What is written on it and in it is made readable. */
  accent?: string;
  /** BCP 47 tag. Texts: `en`, `es`, `de`, `ar`; times and numbers: any. Default: the page's language, else the browser's. */
  locale?: string;
  /** Texts of your own, one by one. */
  texts?: Partial<Texts>;
  /** The number of unread messages in `document.title`. Default: true. */
  titleCount?: boolean;
  /** Sound and notifications, after people have agreed to them. Default: true. */
  notifications?: boolean;
  children?: ReactNode;
}

/** Gives a client, a language and a look to the hooks and components inside. One for each page. */
export function DoorbellProvider({ client, theme = 'auto', accent, locale, texts, titleCount = true, notifications = true, children, ...site }: DoorbellProviderProps) {
  const tag = regional(locale ?? pageLanguage());
  const wording = useMemo(() => wordingFor(tag, texts), [tag, texts]);
  const wordingNow = useRef(wording);
  wordingNow.current = wording;
  const announcements = useMemo(() => createAnnouncements((count) => wordingNow.current.say('newMessagesCount', { count })), []);
  const popup = useMemo(() => createPopup('doorbell:popup'), []);
  useEffect(() => () => announcements.close(), [announcements]);

  const root = useMemo((): Surroundings['root'] => {
    const colour = accent === undefined ? null : parseColour(accent);
    return {
      lang: wording.locale,
      dir: wording.direction,
      ...(theme !== 'auto' && { 'data-theme': theme }),
      style: (colour ? accentVariables(colour) : {}) as CSSProperties,
    };
  }, [accent, theme, wording]);

  const { hrefFor, onOpen, listingHref, describeListing, renderListing, formatPrice, browse, onSignIn } = site;
  const surroundings = useMemo<Surroundings>(
    () => ({ client, wording, announcements, popup, root, hrefFor, onOpen, listingHref, describeListing, renderListing, formatPrice, browse, onSignIn }),
    [client, wording, announcements, popup, root, hrefFor, onOpen, listingHref, describeListing, renderListing, formatPrice, browse, onSignIn],
  );
  return (
    <SurroundingsContext.Provider value={surroundings}>
      {children}
      <PopupUnlessPlaced />
      <Announcer />
      <Notifier titleCount={titleCount} notifications={notifications} />
    </SurroundingsContext.Provider>
  );
}

function PopupUnlessPlaced() {
  const { client, popup } = useSurroundings();
  const { isOpen } = useStore(popup.state);
  const myId = useStore(client.me)?.id;
  useEffect(() => {
    if (myId) popup.belongsTo(myId);
  }, [popup, myId]);
  return useStore(popup.hosts) === 0 && isOpen ? <ChatPopup isAutomatic /> : null;
}

function Announcer() {
  const { announcements, root } = useSurroundings();
  const { polite, assertive } = useStore(announcements.spoken);
  return (
    <div className="db-unseen" lang={root.lang} dir={root.dir}>
      <div role="status" aria-live="polite">{polite}</div>
      <div role="alert">{assertive}</div>
    </div>
  );
}

// "en" alone means American times; whoever reads English as in Ireland has said so to the browser.
function regional(tag: string): string {
  if (tag.includes('-') || typeof navigator === 'undefined') return tag;
  return navigator.languages.find((language) => language.startsWith(`${tag}-`)) ?? tag;
}

const pageLanguage = () => (typeof document === 'undefined' ? 'en' : document.documentElement.lang || navigator.language);
