import { DRAFT_DELAY, OPEN_DRAFTS } from './limits.js';
import type { Shelf } from './storage.js';
import { Value } from './store.js';
import { Timer } from './timing.js';

interface OpenDraft {
  text: Value<string>;
  save: Timer;
  /** What is stored does not replace what was written since. */
  isTouched: boolean;
}

const key = (conversationId: string) => `draft|${conversationId}`;

/** What is being written in each conversation. */
export class Drafts {
  readonly #drafts = new Map<string, OpenDraft>();

  constructor(private readonly shelf: Shelf) {}

  of(conversationId: string): Value<string> {
    return this.#open(conversationId).text;
  }

  set(conversationId: string, text: string): void {
    const draft = this.#open(conversationId);
    draft.isTouched = true;
    draft.text.set(text);
    const save = () => void (text ? this.shelf.set(key(conversationId), text) : this.shelf.delete(key(conversationId)));
    // An empty one was sent: a page that ends now must not bring it back.
    if (text) draft.save.set(DRAFT_DELAY, save);
    else {
      draft.save.clear();
      save();
    }
  }

  #open(conversationId: string): OpenDraft {
    let draft = this.#drafts.get(conversationId);
    if (!draft) {
      for (const [id, { text, save }] of this.#drafts) {
        if (this.#drafts.size < OPEN_DRAFTS) break;
        if (!text.isWatched && !save.isSet) this.#drafts.delete(id);
      }
      draft = { text: new Value(''), save: new Timer(), isTouched: false };
      this.#drafts.set(conversationId, draft);
      const opened = draft;
      void this.shelf.get<string>(key(conversationId)).then((text) => {
        if (text && !opened.isTouched) opened.text.set(text);
      });
    }
    return draft;
  }
}
