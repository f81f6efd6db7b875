import type { Person } from '@doorbell/client';
import { currentLanguage } from './language';
import { useRemote } from './remote';
import { isDemo } from './server';

export type Terms = 'rent' | 'stay' | 'sale';

/** A listing in the grid (`GET /api/demo/listings`). */
export interface Card {
  id: string;
  title: string;
  image: string;
  /** As it is shown. */
  price: string;
  /** In euros: a month's, a night's, or all. */
  amount: number;
  terms: Terms;
  city: string;
  squareMetres: number;
  sleeps: number;
  owner: Person | null;
}

/** A listing on its page (`GET /api/demo/listings/{id}`). */
export interface Details extends Card {
  available: string;
  story: string[];
  features: string[];
  images: { url: string; description: string }[];
}

export interface Comment {
  _id: string;
  postId: string;
  author: { id: string; name: string | null; image: string | null };
  text: string;
  createdAt: string;
}

/** What the server refused, in its words. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Asks the server, as whoever `token` belongs to. */
export async function ask<T>(path: string, { token, body, method = body === undefined ? 'GET' : 'POST', signal }: { token?: string | null; body?: unknown; method?: string; signal?: AbortSignal } = {}): Promise<T> {
  const headers: Record<string, string> = {};
  if (token) headers['authorization'] = `Bearer ${token}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }), ...(signal && { signal }) });
  } catch (fault) {
    if (signal?.aborted) throw fault;
    throw new Refused(0, currentLanguage().words.unreachableHint);
  }
  const answer = (await response.json().catch(() => null)) as (T & { error?: string }) | null;
  if (!response.ok || answer === null) throw new Refused(response.status, answer?.error ?? currentLanguage().words.answered(response.status));
  return answer;
}

export const useListings = () => useRemote('listings', async () => (await ask<{ listings: Card[] }>('/api/demo/listings')).listings);

export const useListing = (id: string) =>
  useRemote(`listings/${id}`, async () => (await ask<{ listing: Details }>(`/api/demo/listings/${encodeURIComponent(id)}`)).listing);

/** The sample people; nobody asks for them where there are none. */
export const usePeople = () => useRemote(isDemo ? 'people' : null, async () => (await ask<{ users: Person[] }>('/api/demo/users')).users);
