import type { Listing } from '@doorbell/client';
import { Picture } from '../inbox/Avatar.js';
import { useSurroundings } from '../provider/context.js';

/** What the conversation is about. */
export function ListingCard({ listing }: { listing: Listing }) {
  const { wording, listingHref, formatPrice } = useSurroundings();
  const href = listingHref ? listingHref(listing) : listing.url;
  return (
    <div className="db-listing">
      <Picture className="db-listing-picture" src={listing.image} fallback={<span className="db-listing-picture db-face-blank" />} />
      <div className="db-listing-text">
        <bdi className="db-listing-title">{listing.title}</bdi>
        {listing.price !== null && <bdi className="db-listing-price">{formatPrice ? formatPrice(listing.price) : typeof listing.price === 'number' ? wording.number(listing.price) : listing.price}</bdi>}
        {href && <a href={href}>{wording.texts.viewListing}</a>}
      </div>
    </div>
  );
}
