import type { Conversation, DoorbellClient, Listing, Person, Store } from '@doorbell/client';
import { createContext, useContext, useSyncExternalStore, type CSSProperties, type ReactNode } from 'react';
import type { Wording } from '../texts/index.js';
import type { Announcements } from './announcements.js';
import type { Popup } from './popup.js';

/** What the site around the components decides. */
export interface Site {
  /** Address of a conversation's page: rows become links. */
  hrefFor?(conversationId: string): string;
  /** Called when a conversation was chosen. With `hrefFor` it replaces following the link. */
  onOpen?(conversationId: string): void;
  /** Address of a listing's page. Default: the listing's own `url`. */
  listingHref?(listing: Listing): string | null;
  /** A listing as the page knows it, where it knows more than the server. */
  describeListing?(listing: Listing): Listing;
  /** Shows a listing in place of the built-in card; `place` says where. */
  renderListing?(listing: Listing, place: 'chat' | 'new-chat'): ReactNode;
  /** A listing's price as text. Default: as the server has it. */
  formatPrice?(price: number | string): string;
  /** What the empty list leads to. */
  browse?: { href?: string; onClick?(): void };
  /** What signing in does; without it there is no button. */
  onSignIn?(): void;
}

export interface Surroundings extends Site {
  client: DoorbellClient;
  wording: Wording;
  announcements: Announcements;
  popup: Popup;
  /** Attributes of the element that each component begins with. */
  root: { lang: string; dir: 'ltr' | 'rtl'; 'data-theme'?: 'light' | 'dark'; style: CSSProperties };
}

export const SurroundingsContext = createContext<Surroundings | null>(null);

export function useSurroundings(): Surroundings {
  const surroundings = useContext(SurroundingsContext);
  if (!surroundings) throw new Error('This needs a <DoorbellProvider client={...}> around it.');
  return surroundings;
}

/** A store whose value a server that renders the page cannot know. */
export interface BrowserStore<T> extends Store<T> {
  getOnServer(): T;
}

export const useStore = <T>(store: Store<T> | BrowserStore<T>): T => useSyncExternalStore(store.subscribe, store.get, 'getOnServer' in store ? store.getOnServer : store.get);

/** Everybody else who is in a conversation now. */
export function others(conversation: Conversation, myId: string | undefined): Person[] {
  return (conversation.participants ?? []).flatMap(({ user, userId, leftAt }) => (userId === myId || leftAt || !user ? [] : [user]));
}

export const nameOf = (person: Person | null | undefined, wording: Wording): string => person?.name?.trim() || wording.texts.someone;

/** A group's title, else the other person's name. */
export function titleOf(conversation: Conversation, myId: string | undefined, wording: Wording): string {
  const people = others(conversation, myId);
  if (conversation.isGroup) return conversation.title ?? (people.length > 0 ? wording.names(people.slice(0, 3).map((person) => nameOf(person, wording))) : wording.texts.group);
  return nameOf(people[0] ?? [conversation.owner, conversation.renter].find((person) => person && person.id !== myId), wording);
}

/** What a conversation is about, as the page knows it. */
export function useListing(conversation: Conversation | null): Listing | null {
  const { describeListing } = useSurroundings();
  const listing = conversation?.listing ?? null;
  return listing && describeListing ? describeListing(listing) : listing;
}

/** Has this person left the group? Then it can be read, and not be written in. */
export const hasLeft = (conversation: Conversation, myId: string | undefined): boolean =>
  (conversation.participants ?? []).some(({ userId, leftAt }) => userId === myId && leftAt !== null);
