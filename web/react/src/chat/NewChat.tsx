import type { Conversation } from '@doorbell/client';
import { useListing, useSurroundings } from '../provider/context.js';
import { ListingCard } from './ListingCard.js';

interface NewChatProps {
  conversation: Conversation;
  myId: string | undefined;
  title: string;
  onSuggest(text: string): void;
}

/** Before the first message: what it is about, and how one could begin. */
export function NewChat({ conversation, myId, title, onSuggest }: NewChatProps) {
  const { wording, renderListing } = useSurroundings();
  const { texts } = wording;
  const { owner } = conversation;
  const listing = useListing(conversation);
  // Questions about a flat are the renter's.
  const suggestions = listing && owner?.id !== myId
    ? [...(listing.title ? [wording.say('suggestAvailable', { listing: listing.title })] : []), texts.suggestViewing, texts.suggestIncluded]
    : [wording.say('suggestHello', { name: title })];
  return (
    <div className="db-new-chat">
      {listing && (listing.title || listing.image) && (renderListing ? renderListing(listing, 'new-chat') : <ListingCard listing={listing} />)}
      <p className="db-blank-title">{wording.say('newChatTitle', { name: title })}</p>
      <p>{texts.newChatHint}</p>
      <ul className="db-suggestions">
        {suggestions.map((text) => <li key={text}><button type="button" className="db-suggestion" dir="auto" onClick={() => onSuggest(text)}>{text}</button></li>)}
      </ul>
    </div>
  );
}
