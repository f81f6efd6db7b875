import { accentVariables, parseColour } from '@doorbell/react/theme';
import styles from './launcher.css?inline';
import { complainOf, targetOf, type Settings, type Target } from './settings.js';
import type { LoaderWords } from './words.js';

/** `#185c4e`: also where what the page says is no colour. */
const DEFAULT_ACCENT = [24, 92, 78] as const;
const RIGHT_TO_LEFT = /^(ar|fa|he|ur)\b/i;
const SVG = 'http://www.w3.org/2000/svg';
const BUBBLE = 'M12 4c-4.7 0-8.5 3.2-8.5 7.2 0 2.2 1.2 4.2 3 5.5l-.5 3.3 3.6-1.8c.8.1 1.6.2 2.4.2 4.7 0 8.5-3.2 8.5-7.2S16.7 4 12 4Z';

/** The one element of the widget on the page: everything it shows is in its shadow root. */
export class Host {
  readonly element = document.createElement('doorbell-widget');
  readonly root = this.element.attachShadow({ mode: 'open' });
  readonly #corner = document.createElement('aside');
  readonly #failed = document.createElement('p');
  readonly #known = new Set<string>();
  #unread = 0;

  constructor(
    settings: Settings,
    locale: string,
    private readonly words: LoaderWords,
  ) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(styles);
    this.root.adoptedStyleSheets = [sheet];
    const { style } = this.element;
    const colour = parseColour(settings.accent) ?? DEFAULT_ACCENT;
    // One property after the other: a policy that forbids `style` attributes allows that.
    for (const [name, value] of Object.entries(accentVariables(colour))) style.setProperty(name, value);
    style.setProperty('--db-z-index', settings.zIndex);
    this.#corner.className = `launchers ${settings.launcher === 'right' ? 'right' : 'left'}`;
    this.#corner.setAttribute('aria-label', words.messages);
    this.#corner.lang = locale;
    this.#corner.dir = RIGHT_TO_LEFT.test(locale) ? 'rtl' : 'ltr';
    this.#failed.className = 'failed';
    this.#failed.setAttribute('role', 'alert');
    this.#corner.append(this.#failed);
    this.root.append(this.#corner);
    // Beside the body and not in it: some sites replace the body when the route changes.
    document.documentElement.append(this.element);
  }

  /** A button at the corner; a second tag for the same listing brings no second one. */
  addLauncher(target: Target, label: string | undefined, open: (target: Target, button: HTMLElement) => void, warmUp: () => void): void {
    const key = JSON.stringify(target);
    if (this.#known.has(key)) return;
    this.#known.add(key);
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'launcher';
    button.setAttribute('aria-haspopup', 'dialog');
    const picture = document.createElementNS(SVG, 'svg');
    picture.setAttribute('viewBox', '0 0 24 24');
    picture.setAttribute('aria-hidden', 'true');
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', BUBBLE);
    picture.append(path);
    const badge = document.createElement('span');
    badge.className = 'unread';
    button.append(picture, label ?? (target ? this.words.contact : this.words.messages), badge);
    button.addEventListener('click', () => open(target, button));
    for (const event of ['pointerenter', 'focus', 'touchstart']) button.addEventListener(event, warmUp, { once: true, passive: true });
    this.#corner.append(button);
    this.showUnread(this.#unread);
  }

  get firstLauncher(): HTMLElement | null {
    return this.#corner.querySelector('button');
  }

  showUnread(count: number): void {
    this.#unread = count;
    for (const badge of this.#corner.querySelectorAll<HTMLElement>('.unread')) {
      badge.textContent = count > 99 ? '99+' : String(count);
      badge.hidden = count === 0;
    }
  }

  showFailed(isFailed: boolean): void {
    this.#failed.textContent = isFailed ? this.words.failed : '';
  }
}

/** The page's own button in which something happened. */
export function buttonOf(event: Event): HTMLElement | null {
  const origin = event.composedPath()[0];
  return origin instanceof Element ? origin.closest<HTMLElement>('[data-doorbell-contact]') : null;
}

/** Tells screen readers what the page's buttons do, and makes what is no button one. */
export function prepareButtons(): void {
  for (const element of document.querySelectorAll<HTMLElement>('[data-doorbell-contact]:not([aria-haspopup])')) {
    element.setAttribute('aria-haspopup', 'dialog');
    if (!targetOf(element) && element.dataset.doorbellContact !== 'list') complainOf(element);
    if (element.matches('button, a[href], input, summary')) continue;
    element.setAttribute('role', 'button');
    element.tabIndex = 0;
  }
}
