import { useEffect, useState, type ComponentType } from 'react';

/** A component that is fetched when it is first shown. */
export function later<P extends object>(fetchIt: () => Promise<ComponentType<P>>): ComponentType<P> {
  let fetched: ComponentType<P> | null = null;
  return function Later(properties: P) {
    const [, render] = useState(fetched !== null);
    useEffect(() => {
      if (fetched) return;
      let isWanted = true;
      void fetchIt().then((component) => {
        fetched = component;
        if (isWanted) render(true);
      }, (fault: unknown) => console.error('Doorbell: a part of the chat could not be loaded.', fault));
      return () => void (isWanted = false);
    }, []);
    const Component = fetched;
    return Component && <Component {...properties} />;
  };
}
