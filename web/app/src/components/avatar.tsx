import type { Person } from '@doorbell/client';

/** Beside a name, so it says nothing to those who do not see it. */
export function Avatar({ person, size = 40 }: { person: Pick<Person, 'name' | 'image'> | null; size?: number }) {
  const initial = (person?.name ?? '?').trim().charAt(0).toUpperCase();
  return (
    <span className="grid shrink-0 place-items-center overflow-hidden rounded-full bg-brand-wash font-display font-semibold text-brand" style={{ width: size, height: size, fontSize: size * 0.42 }} aria-hidden="true">
      {person?.image ? <img src={person.image} alt="" width={size} height={size} className="size-full object-cover" /> : initial}
    </span>
  );
}
