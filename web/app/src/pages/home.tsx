import { AppWindow, SlidersHorizontal } from 'lucide-react';
import { useMemo } from 'react';
import { useSearchParams } from 'wouter';
import { useListings, type Card, type Terms } from '../api';
import { Avatar } from '../components/avatar';
import { ListingCard } from '../components/listing-card';
import { Notice } from '../components/notice';
import { openSignIn } from '../components/sign-in';
import { Street } from '../components/street';
import { useLanguage, useWords } from '../language';
import { openAs, useSession } from '../session';
import { useTitle } from '../title';

const KINDS: (Terms | '')[] = ['', 'rent', 'stay', 'sale'];
/** What one can be willing to pay, in euros, for each kind. */
const BUDGETS: Record<Terms, number[]> = { rent: [500, 750, 1000, 1250], stay: [70, 100], sale: [275_000, 350_000] };

/** `/`: what is on offer. The filters are part of the address, so that one can go back to them. */
export function Home() {
  const { words, tag } = useLanguage();
  useTitle(words.homesTitle);
  const [search, setSearch] = useSearchParams();
  const { data: cards, error, reload } = useListings();
  const city = search.get('city') ?? '';
  const kind = (search.get('kind') ?? '') as Terms | '';
  const budget = Number(search.get('budget') ?? 0);

  const cities = useMemo(() => [...new Set((cards ?? []).map((card) => card.city))].sort(), [cards]);
  const found = (cards ?? []).filter(
    (card) => (city === '' || card.city === city) && (kind === '' || card.terms === kind) && (kind === '' || budget === 0 || card.amount <= budget),
  );
  const change = (name: string, value: string) =>
    setSearch((before) => {
      const next = new URLSearchParams(before);
      if (value === '') next.delete(name);
      else next.set(name, value);
      if (name === 'kind') next.delete('budget');
      return next;
    }, { replace: true });

  return (
    <>
      <section className="wrap grid items-end gap-x-10 pt-8 sm:pt-12 lg:grid-cols-[1fr_auto]">
        <div className="max-w-2xl pb-6 lg:pb-10">
          <h1 className="text-[clamp(2.4rem,1.4rem+4.2vw,4.4rem)] leading-[0.98] font-bold">
            {words.slogan} <span className="text-brand">{words.sloganEnd}</span>
          </h1>
          <p className="mt-4 max-w-xl text-lg text-pretty text-soft">{words.sloganHint}</p>
        </div>
        <Street className="w-full max-w-[430px] text-brand max-lg:mx-auto max-sm:hidden" />
      </section>

      <div className="border-y border-line bg-card">
        <form className="wrap flex flex-wrap items-center gap-3 py-3.5" onSubmit={(event) => event.preventDefault()} aria-label={words.filter}>
          <SlidersHorizontal className="size-5 text-soft max-sm:hidden" aria-hidden="true" />
          <fieldset className="flex min-w-0 gap-1 overflow-x-auto rounded-full bg-sunk p-1 [scrollbar-width:none] max-sm:w-full">
            <legend className="sr-only">{words.kind}</legend>
            {KINDS.map((value) => (
              <label key={value} className="relative grid min-h-9 grow shrink-0 cursor-pointer place-items-center rounded-full px-2.5 text-sm whitespace-nowrap sm:px-3.5 font-semibold has-checked:bg-card has-checked:shadow-card has-focus-visible:outline-3 has-focus-visible:outline-brand">
                <input type="radio" name="kind" value={value} checked={kind === value} onChange={() => change('kind', value)} className="absolute inset-0 cursor-pointer appearance-none rounded-full outline-none" />
                {value === '' ? words.everything : words.terms[value]}
              </label>
            ))}
          </fieldset>
          <select aria-label={words.place} value={city} onChange={(event) => change('city', event.target.value)} className="field max-sm:flex-1">
            <option value="">{words.anywhere}</option>
            {cities.map((name) => <option key={name} lang="en">{name}</option>)}
          </select>
          {kind !== '' && (
            <select aria-label={words.price} value={budget || ''} onChange={(event) => change('budget', event.target.value)} className="field max-sm:flex-1">
              <option value="">{words.anyPrice}</option>
              {BUDGETS[kind].map((most) => <option key={most} value={most}>{words.upTo(most.toLocaleString(tag, { style: 'currency', currency: 'EUR', maximumFractionDigits: 0 }))}</option>)}
            </select>
          )}
          <p className="ms-auto text-sm text-soft" role="status">{cards ? words.found(found.length, cards.length) : ''}</p>
        </form>
      </div>

      <div className="wrap py-8">
        {error ? (
          <Notice title={words.homesFailed} level="h2" action={<button type="button" className="button button-brand" onClick={reload}>{words.tryAgain}</button>}>{error.message}</Notice>
        ) : !cards ? (
          <Grid>{Array.from({ length: 8 }, (_, place) => <li key={place} className="aspect-[4/4.2] animate-pulse rounded-3xl bg-sunk" />)}</Grid>
        ) : found.length === 0 ? (
          <Notice title={words.nobodyOffers} level="h2" action={<button type="button" className="button button-brand" onClick={() => setSearch({})}>{words.showAll}</button>}>
            {city === '' ? words.nothingHere : words.nothingIn(city)}
          </Notice>
        ) : (
          <Grid>
            {found.map((card, place) => <li key={card.id} className="grid"><ListingCard card={card} isFirst={place < 4} /></li>)}
          </Grid>
        )}
        {cards && <BothSides cards={cards} />}
      </div>
    </>
  );
}

const Grid = ({ children }: { children: React.ReactNode }) => <ul className="grid grid-cols-[repeat(auto-fill,minmax(min(100%,17.5rem),1fr))] gap-5">{children}</ul>;

/** How to see what this is a sample of. */
function BothSides({ cards }: { cards: Card[] }) {
  const words = useWords();
  const { user } = useSession();
  const other = cards.map((card) => card.owner).find((owner) => owner && owner.id !== user?.id);
  return (
    <aside aria-label={words.howToTry} className="mt-10 flex flex-wrap items-center gap-x-8 gap-y-4 rounded-3xl bg-brand-wash p-6 sm:p-8">
      <div className="min-w-60 flex-1">
        <h2 className="text-2xl">{words.bothSides}</h2>
        <p className="mt-1.5 max-w-2xl text-pretty text-soft">
          {words.bothSidesHint}
        </p>
      </div>
      <div className="flex flex-wrap gap-3">
        {!user && <button type="button" onClick={openSignIn} className="button button-brand">{words.signInAs}</button>}
        {other && (
          <button type="button" onClick={() => openAs(other.id, '/messages')} className="button button-plain ps-2">
            <Avatar person={other} size={30} />
            {words.aWindowAs(other.name?.split(' ')[0] ?? other.id)}
            <AppWindow className="size-4.5 text-soft" aria-hidden="true" />
          </button>
        )}
      </div>
    </aside>
  );
}
