import type { Listing } from '@doorbell/client';
import { targetOf, type Target } from './settings.js';

/** A listing with what the page says of it, where the server knows no more than its id. */
export function describer(fromTag: Target): (listing: Listing) => Listing {
  const described = new Map<string, Listing>();
  const find = (id: string): Target => {
    if (fromTag && 'listingId' in fromTag && fromTag.listingId === id) return fromTag;
    const button = document.querySelector<HTMLElement>(`[data-doorbell-contact][data-listing-id="${CSS.escape(id)}"]`);
    return button && targetOf(button);
  };
  return (listing) => {
    if (listing.title !== null) return listing;
    const target = find(listing.id);
    if (!target || !('listingId' in target)) return described.get(listing.id) ?? listing;
    const { title = null, image, price, url } = target;
    const absolute = (address: string | undefined) => (address ? new URL(address, document.baseURI).href : null);
    const whole = { ...listing, title, image: listing.image ?? absolute(image), price: listing.price ?? price ?? null, url: listing.url ?? absolute(url) };
    // The button may go with its page while the chat stays.
    described.set(listing.id, whole);
    return whole;
  };
}
