/** A picture over the whole screen: a modal dialog of the chat, which asks nobody before it opens. */
const LIGHTBOX = 'dialog.db-lightbox';
/** In the state of the history's entry: a picture stands in front of this page. */
const KEY = 'lightbox';
type Entry = Record<string, unknown> | null;

const shown = () => document.querySelector(LIGHTBOX);
const isMarked = (entry: Entry) => entry !== null && KEY in entry;

/** Back closes a picture that takes the whole screen, and nothing else. */
export function startLightboxInHistory(): void {
  let isOpen = false;
  // Where a reload or Forward leads to a picture that is open no more.
  const leaveEmptyEntry = () => {
    if (isMarked(history.state as Entry) && !shown()) history.back();
  };
  new MutationObserver(() => {
    const isNow = shown() !== null;
    if (isNow === isOpen) return;
    isOpen = isNow;
    const entry = history.state as Entry;
    if (isNow && !isMarked(entry)) history.pushState({ ...entry, [KEY]: true }, '');
    else if (!isNow && isMarked(entry)) history.back();
  }).observe(document.body, { childList: true, subtree: true });
  addEventListener('popstate', () => {
    const picture = shown();
    if (!picture) leaveEmptyEntry();
    // As browsers ask a dialog to close.
    else if (!isMarked(history.state as Entry)) picture.dispatchEvent(new Event('cancel', { cancelable: true }));
  });
  leaveEmptyEntry();
}
