import { useEffect, useState, type ComponentType } from 'react';

/** Waits between attempts to fetch a part, in milliseconds: a server that is being restarted is back by then. */
const WAITS = [500, 2_000, 8_000];

/** Loads a part of the code, again if it does not come. */
export async function patiently<T>(load: () => Promise<T>): Promise<T> {
  for (const wait of WAITS) {
    try {
      return await load();
    } catch {
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
      void part.fetch().then(() => isWanted && render(true), (fault: unknown) => console.error('Doorbell: a part did not load. Reload the page.', fault));
      return () => void (isWanted = false);
    }, []);
    const Component = part.components?.[name];
    return Component ? <Component {...properties} /> : null;
  };
}
