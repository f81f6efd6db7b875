import { useEffect, useState, type ComponentType } from 'react';
import { Value } from './store.js';

/** Waits between attempts to fetch a part, in milliseconds: a server that is being restarted is back by then. */
const WAITS = [500, 2_000, 8_000];

/**
 * The server has another build by now, so what this one has not loaded is gone. Parts of the new build would not do: they are
 * made of what is in their own panel (its components, its contexts, its client), and would bring a second one along. So the
 * page has to be loaded again, and people are told so.
 */
export const isOutdated = new Value(false);

/** After a part did not come. An answer that this panel is gone is no matter of the network. */
export async function lookWhetherOutdated(): Promise<void> {
  const answer = await fetch(import.meta.url, { method: 'HEAD', cache: 'no-store' }).catch(() => null);
  if (answer?.status === 404) isOutdated.set(true);
}

/** Loads a part of the code, again if it does not come. */
export async function patiently<T>(load: () => Promise<T>): Promise<T> {
  for (const wait of WAITS) {
    try {
      return await load();
    } catch (fault) {
      await lookWhetherOutdated();
      if (isOutdated.get()) throw fault;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  return load();
}

/** Components that are fetched when one of them is first shown. */
export class Part {
  components: Record<string, ComponentType<any>> | null = null;
  #pending: Promise<void> | null = null;

  constructor(private readonly load: () => Promise<Record<string, ComponentType<any>>>) {}

  fetch(): Promise<void> {
    return (this.#pending ??= patiently(this.load).then((components) => void (this.components = components)).finally(() => (this.#pending = null)));
  }
}

/** A component of a part. */
export function later<P extends object>(part: Part, name: string): ComponentType<P> {
  return function Later(properties: P) {
    const [, render] = useState(part.components !== null);
    useEffect(() => {
      if (part.components) return;
      let isWanted = true;
      void part.fetch().then(() => isWanted && render(true), (fault: unknown) => console.error('Doorbell: a part of the chat did not load. Reload the page.', fault));
      return () => void (isWanted = false);
    }, []);
    const Component = part.components?.[name];
    return Component ? <Component {...properties} /> : null;
  };
}
