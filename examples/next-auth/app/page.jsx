import { Contact } from './contact';

export default function Page() {
  return (
    <main>
      <h1>Flat by the water</h1>
      <p>Two rooms, and a view of every boat that comes in.</p>
      <Contact listingId="flat" ownerId="olga" title="Flat by the water" />
    </main>
  );
}
