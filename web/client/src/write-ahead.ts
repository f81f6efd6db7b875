// A write-ahead log in local storage, which takes what it is given at once. IndexedDB only begins to write then, and undoes what it
// has not finished when the page goes away: a message that was sent in the page's last moment would be lost.

/** Notes the value until it is in the database: the caller says so by the function that it gets. No value: the key is deleted. */
export function writeAhead(database: string, key: string, value?: unknown): () => unknown {
  // Files do not fit in there.
  if (value instanceof Blob) return () => {};
  const line = `${database}|${key}`;
  const note = JSON.stringify({ value });
  try {
    localStorage.setItem(line, note);
  } catch {
    // Full or blocked: the database alone must do.
  }
  // Another tab, or a later call, may have written since.
  return () => localStorage.getItem(line) === note && localStorage.removeItem(line);
}

/** What is not known to be in the database, of the keys that begin so. `undefined` where it was deleted. */
export function writtenAhead(database: string, prefix: string): [key: string, value: unknown][] {
  try {
    const start = `${database}|`;
    return Object.entries(localStorage).flatMap(([line, note]) => (line.startsWith(start + prefix) ? [[line.slice(start.length), JSON.parse(note).value]] : []));
  } catch {
    return [];
  }
}
