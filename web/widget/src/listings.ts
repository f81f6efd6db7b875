import type { Listing } from '@doorbell/client';
import { targetOf } from './settings.js';

/** A listing with what the page says of it, where the server knows no more than its id. */
export function describer(): (listing: Listing) => Listing {
  const described = new Map<string, Listing>();
  return (listing) => {
    if (listing.title !== null) return listing;
    // A button or a script tag: both say it in the same words.
    const element = document.querySelector<HTMLElement>(`[data-listing-id="${CSS.escape(listing.id)}"][data-owner-id]`);
    const target = element && targetOf(element);
    if (!target || !('listingId' in target)) return described.get(listing.id) ?? listing;
    const { title = null, image, price, url } = target;
    const absolute = (address: string | undefined) => (address ? new URL(address, document.baseURI).href : null);
    const whole = { ...listing, title, image: listing.image ?? absolute(image), price: listing.price ?? price ?? null, url: listing.url ?? absolute(url) };
    // The button may go with its page while the chat stays.
    described.set(listing.id, whole);
    return whole;
  };
}
