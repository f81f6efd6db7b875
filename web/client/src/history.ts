import { DoorbellError } from './errors.js';
import type { Hub } from './hub.js';
import { HELD_MESSAGES, PAGE_MESSAGES, REPAIR_PAGES, UNREAD_PAGE_MESSAGES } from './limits.js';
import type { Page } from './link.js';
import { historyPath, type Rest } from './rest.js';
import type { Message } from './wire.js';
import { MessageWindow } from './window.js';

/** The messages of a conversation that are loaded, without holes: pages from REST, news from the connection. */
export class History {
  readonly window = new MessageWindow();
  isLoaded = false;
  /** Messages that came before what is before them was there. */
  #held: Message[] = [];
  #isRepairing = false;
  /** A page that was asked for before the window moved elsewhere is no longer wanted. */
  #generation = 0;

  constructor(
    private readonly id: string,
    private readonly rest: Rest,
    private readonly hub: Hub,
    private readonly onChange: () => void,
    private readonly onMessages: (messages: Message[]) => void,
  ) {}

  /** The newest page, at least so many messages. */
  async loadNewest(atLeast = 0): Promise<void> {
    const generation = (this.#generation += 1);
    const limit = atLeast > UNREAD_PAGE_MESSAGES ? PAGE_MESSAGES : Math.max(PAGE_MESSAGES, atLeast);
    const page = await this.#page(`limit=${limit}`);
    if (generation !== this.#generation) return;
    this.window.reset(page.messages, page.hasMore, false);
    this.#took(page.messages);
  }

  async loadOlder(atLeast = 0): Promise<void> {
    if (!this.isLoaded || !this.window.hasOlder || !this.window.messages.length) return;
    const generation = this.#generation;
    const page = await this.#page(`before=${this.window.first}&limit=${Math.max(PAGE_MESSAGES, atLeast)}`);
    if (generation !== this.#generation) return;
    this.window.addOlder(page.messages, page.hasMore);
    this.#took(page.messages);
  }

  async loadNewer(): Promise<void> {
    if (!this.window.hasNewer) return;
    const generation = this.#generation;
    const page = await this.#page(`after=${this.window.last}&limit=${PAGE_MESSAGES}`);
    if (generation !== this.#generation) return;
    this.window.isReadingOld = false;
    this.window.addNewer(page.messages, page.hasMore);
    this.#took(page.messages);
    // What came between the page and now was not added while there was more.
    if (!page.hasMore) await this.catchUp();
  }

  /** The pages around a message. */
  async loadAround(seq: number): Promise<void> {
    const generation = (this.#generation += 1);
    const half = PAGE_MESSAGES / 2;
    const [before, after] = await Promise.all([this.#page(`before=${seq + 1}&limit=${half}`), this.#page(`after=${seq}&limit=${half}`)]);
    if (generation !== this.#generation) return;
    this.window.reset([...before.messages, ...after.messages], before.hasMore, after.hasMore);
    this.#took([...before.messages, ...after.messages]);
    if (!after.hasMore) await this.catchUp();
  }

  /** Joins, and fills what is missing up to now. From then on messages come by themselves. */
  async catchUp(): Promise<void> {
    let page = await this.hub.request('conversation:join', { conversationId: this.id, afterSeq: this.window.last });
    if (this.window.hasNewer) return;
    const generation = this.#generation;
    for (let pages = 1; ; pages += 1) {
      this.window.addNewer(page.messages, false);
      this.#took(page.messages);
      if (!page.hasMore || this.window.hasNewer) return;
      if (pages >= REPAIR_PAGES) return this.loadNewest();
      page = await this.#page(`after=${this.window.last}&limit=200`);
      if (generation !== this.#generation) return;
    }
  }

  /** Takes the newest messages as they are now: read, or with fresh links. */
  async refresh(): Promise<void> {
    const page = await this.#page(`limit=${PAGE_MESSAGES}`);
    for (const message of page.messages) this.received(message);
    this.onMessages(page.messages);
  }

  /** A message that has come by itself. */
  received(message: Message): void {
    if (!this.isLoaded || this.#isRepairing) return this.#hold(message);
    const put = this.window.put(message);
    if (put === 'added' || put === 'replaced') this.onChange();
    if (put !== 'gap') return;
    this.#hold(message);
    void this.#repair();
  }

  /** Fills the gap between what is here and what has come. */
  async #repair(): Promise<void> {
    this.#isRepairing = true;
    try {
      while (this.#held.length && !this.window.hasNewer) {
        const asked = new Set(this.#held);
        const page = await this.#page(`after=${this.window.last}&limit=200`);
        if (page.hasMore) {
          this.#held = [];
          await this.loadNewest();
          this.#putHeld(new Set());
          break;
        }
        this.window.addNewer(page.messages, false);
        // What is still missing before a message that was there when the server was asked does not exist for this reader.
        this.#putHeld(asked);
        this.onMessages(page.messages);
      }
    } catch {
      // The next thing that comes shows the gap again, and so does the next connection.
      this.#held = [];
    } finally {
      this.#isRepairing = false;
      this.onChange();
    }
  }

  #hold(message: Message): void {
    if (this.#held.length < HELD_MESSAGES) this.#held.push(message);
  }

  /** Puts in what was held, as far as nothing is missing before it, and these in any case. */
  #putHeld(asked: Set<Message>): void {
    const held = this.#held.sort((a, b) => a.seq - b.seq);
    this.#held = held.filter((message) => {
      const isGap = this.window.put(message) === 'gap';
      if (isGap && asked.has(message)) this.window.addNewer([message], false);
      return isGap && !asked.has(message);
    });
  }

  async #page(query: string): Promise<Page> {
    const page = await this.rest.get<Page>(historyPath(this.id, query));
    if (!Array.isArray(page?.messages)) throw new DoorbellError('INVALID', 'This is not an answer of Doorbell. Is the address right?');
    return page;
  }

  #took(messages: Message[]): void {
    this.isLoaded = true;
    if (!this.#isRepairing) this.#putHeld(new Set());
    this.onMessages(messages);
    this.onChange();
    if (this.#held.length && !this.#isRepairing) void this.#repair();
  }
}
