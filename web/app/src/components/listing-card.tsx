import { BedDouble, MapPin, Ruler } from 'lucide-react';
import { Link } from 'wouter';
import type { Card } from '../api';
import { useWords } from '../language';

export function ListingCard({ card, isFirst }: { card: Card; isFirst: boolean }) {
  const words = useWords();
  const [name] = split(card.title);
  return (
    <article className="group relative flex flex-col overflow-hidden rounded-3xl border border-line bg-card shadow-card transition-[box-shadow,transform] hover:-translate-y-0.5 hover:shadow-lift">
      <div className="relative overflow-hidden">
        <img src={card.image} alt="" width={320} height={200} loading={isFirst ? 'eager' : 'lazy'} className="aspect-[8/5] w-full object-cover transition-transform duration-500 group-hover:scale-[1.04]" />
        <span className="absolute top-3 start-3 rounded-full bg-card px-2.5 py-1 text-xs font-bold text-ink">{words.terms[card.terms]}</span>
      </div>
      <div className="flex flex-1 flex-col gap-2 p-4.5">
        <h2 className="text-lg leading-snug">
          <Link href={`/listing/${card.id}`} className="after:absolute after:inset-0 after:rounded-3xl">
            <bdi lang="en">{name}</bdi>
          </Link>
        </h2>
        <p className="flex items-center gap-1.5 text-sm text-soft">
          <MapPin className="size-4 shrink-0" aria-hidden="true" />
          <bdi lang="en">{placeOf(card)}</bdi>
        </p>
        <div className="mt-auto flex items-end justify-between gap-3 pt-2">
          <p className="font-display text-lg font-bold text-brand"><bdi lang="en">{card.price}</bdi></p>
          <p className="flex gap-3 text-sm text-soft">
            <span className="flex items-center gap-1">
              <Ruler className="size-4" aria-hidden="true" />
              <bdi>{card.squareMetres} m²</bdi>
            </span>
            <span className="flex items-center gap-1">
              <BedDouble className="size-4" aria-hidden="true" />
              <span className="sr-only">{words.sleeps}</span>
              {card.sleeps}
            </span>
          </p>
        </div>
      </div>
    </article>
  );
}

/** Street and town. */
export function placeOf({ title, city }: Card): string {
  const [, place] = split(title);
  return place && place !== city ? `${place}, ${city}` : city;
}

/** A title has its place behind the last comma. */
export function split(title: string): [name: string, place: string | null] {
  const comma = title.lastIndexOf(', ');
  return comma === -1 ? [title, null] : [title.slice(0, comma), title.slice(comma + 2)];
}
