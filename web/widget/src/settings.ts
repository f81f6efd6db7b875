/** What a button or the script tag says of a listing. Ids decide; the rest is only shown. */
export interface ListingTarget {
  listingId: string;
  ownerId: string;
  title?: string;
  image?: string;
  price?: string;
  url?: string;
}

/** What to open: a listing's conversation, one that is known by its id, or (nothing) the list. */
export type Target = ListingTarget | { conversationId: string } | null;

/** What the script tag says, in its `data-` attributes. docs/widget.md has them all. */
export interface Settings {
  /** Base address of the server. */
  server: string;
  /** Where the site gives out tokens; without it the session cookie asks the server itself. */
  tokenUrl?: string;
  /** Where people sign in; `{url}` stands for the address to come back to. */
  signInUrl?: string;
  accent: string;
  theme: 'auto' | 'light' | 'dark';
  locale?: string;
  zIndex: string;
  launcher: 'left' | 'right' | 'off';
  /** Instead of the built-in words on the launcher. */
  label?: string;
  panel: 'left' | 'right';
  /** When it connects without being opened, to count what is unread. */
  connect: 'returning' | 'always' | 'never';
  titleCount: boolean;
  notifications: boolean;
  /** What the launcher opens. */
  target: Target;
}

/** Above whatever a page has, and one below the highest there is, for the page's own emergencies. */
const DEFAULT_Z_INDEX = '2147483000';

const oneOf = <T extends string>(value: string | undefined, allowed: readonly T[], otherwise: T): T =>
  allowed.find((word) => word === value) ?? otherwise;

/** What the server takes for an id, but not what a template leaves where it has no value. */
const ID = /^(?!(?:undefined|null|NaN)$)[\w.:@-]{1,128}$/;

/** The listing that an element's `data-` attributes name. */
export function targetOf({ dataset }: HTMLElement): Target {
  const { listingId, ownerId, conversationId, title, image, price, url } = dataset;
  if (conversationId) return { conversationId };
  if (!listingId || !ownerId || !ID.test(listingId) || !ID.test(ownerId)) return null;
  return { listingId, ownerId, ...(title && { title }), ...(image && { image }), ...(price && { price }), ...(url && { url }) };
}

/** For the page's developer. `element` names no conversation, and seems to be meant to. */
export function complainOf(element: HTMLElement): void {
  const { listingId, ownerId } = element.dataset;
  console.error(`Doorbell: this element opens no conversation: data-listing-id is ${shown(listingId)}, data-owner-id is ${shown(ownerId)}. Both must be ids of 1 to 128 characters out of A-Z a-z 0-9 _ . : @ - (https://github.com/doorbell-chat/doorbell/blob/main/docs/widget.md#buttons)`, element);
}

const shown = (id: string | undefined) => (id ? `"${id}"` : 'missing');

export function settingsOf(script: HTMLScriptElement): Settings {
  const { launcher, label } = script.dataset;
  // Which of several tags runs first is chance, so what is said in one of them holds for all.
  const tags = [...document.scripts].filter((tag) => tag.src === script.src);
  const { server, tokenUrl, signInUrl, accent, theme, locale, zIndex, panel, connect, titleCount, notifications } = Object.assign({}, ...tags.map((tag) => tag.dataset)) as DOMStringMap;
  const target = targetOf(script);
  if (!target && (script.dataset.listingId ?? script.dataset.ownerId) !== undefined) complainOf(script);
  return {
    server: (server ? new URL(server, document.baseURI).href : new URL('.', script.src).href).replace(/\/$/, ''),
    tokenUrl,
    signInUrl,
    accent: accent ?? '',
    theme: oneOf(theme, ['auto', 'light', 'dark'], 'auto'),
    locale,
    zIndex: Number.isInteger(Number(zIndex || '-')) ? zIndex! : DEFAULT_Z_INDEX,
    // Without an attribute of its own, the tag makes a button only for a listing that it names.
    launcher: oneOf(launcher, ['left', 'right', 'off'], launcher === '' || target ? 'left' : 'off'),
    label,
    panel: oneOf(panel, ['left', 'right'], 'right'),
    connect: oneOf(connect, ['returning', 'always', 'never'], 'returning'),
    titleCount: titleCount !== 'off',
    notifications: notifications !== 'off',
    target,
  };
}
