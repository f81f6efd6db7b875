import Script from 'next/script';

/** A contact button, and the chat behind it. */
export function Contact({ listingId, ownerId, title }) {
  return (
    <>
      <button type="button" data-doorbell-contact data-listing-id={listingId} data-owner-id={ownerId} data-title={title}>Contact owner</button>
      <Script src={`${process.env.NEXT_PUBLIC_DOORBELL_URL}/widget.js`} data-sign-in-url="/api/auth/signin?callbackUrl={url}" />
    </>
  );
}
