import { useState } from 'react';
import type { Details } from '../api';
import { useLanguage } from '../language';

/** One picture large, all of them small below. */
export function Gallery({ images }: { images: Details['images'] }) {
  const { words, number } = useLanguage();
  const [shown, setShown] = useState(0);
  const image = images[Math.min(shown, images.length - 1)];
  if (!image) return null;
  return (
    <section aria-label={words.pictures} className="grid grid-cols-1 content-start gap-3">
      <div className="relative overflow-hidden rounded-3xl border border-line bg-sunk shadow-card">
        <img key={image.url} src={image.url} alt={image.description} lang="en" width={320} height={200} className="aspect-[8/5] w-full object-cover" />
        <p className="absolute end-3 bottom-3 rounded-full bg-card px-3 py-1 text-sm font-semibold tabular-nums">{number(shown + 1)} / {number(images.length)}</p>
      </div>
      <ul className="flex gap-3 overflow-x-auto p-1">
        {images.map((each, place) => (
          <li key={each.url} className="w-28 shrink-0 sm:w-36">
            <button type="button" aria-label={words.picture(place + 1, each.description)} aria-pressed={place === shown} onClick={() => setShown(place)} className="block w-full overflow-hidden rounded-xl border border-line opacity-80 hover:opacity-100 aria-pressed:opacity-100 aria-pressed:outline-3 aria-pressed:outline-offset-2 aria-pressed:outline-brand">
              <img src={each.url} alt="" width={320} height={200} loading="lazy" className="aspect-[8/5] w-full object-cover" />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
