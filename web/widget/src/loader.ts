// The script of the tag. It must be small and idle: the panel, with all of the chat, comes when somebody is about to use it.
import { POPUP_KEY, RETURNING_KEY, type Panel, type PanelModule, type WidgetApi, type WidgetEvents } from './api.js';
import { buttonOf, Host, prepareButtons } from './host.js';
import { settingsOf, targetOf, type Settings, type Target } from './settings.js';
import { localeOf, wordsFor } from './words.js';

declare global {
  interface Window {
    doorbell?: Partial<WidgetApi>;
  }
}

/** The panel's address below the server's, put in by the build. */
declare const PANEL: string;

/** Leads to the panel that the server has now: this page may have been open since before that came. */
const PANEL_OF_NOW = '/widget/panel.js';
/** Under this name the widget that is on the page takes in further tags. */
const ADD = Symbol.for('doorbell.widget');
/** A page that is never idle is served after this. */
const IDLE_TIMEOUT_MILLISECONDS = 3_000;

function start(settings: Settings): void {
  const api = (window.doorbell ??= {}) as WidgetApi & { [ADD]?: (settings: Settings) => void };
  if (api[ADD]) return api[ADD](settings);

  const locale = localeOf(settings.locale);
  const ending = new AbortController();
  const { signal } = ending;
  const listeners: { [K in keyof WidgetEvents]?: Set<(value: never) => void> } = {};
  let host: Host | null = null;
  let loading: Promise<Panel> | null = null;

  const hostNow = () => (host ??= new Host(settings, locale, wordsFor(locale)));
  const emit = <K extends keyof WidgetEvents>(event: K, value: WidgetEvents[K]) => {
    if (event === 'unread') hostNow().showUnread(value as number);
    for (const listener of [...(listeners[event] ?? [])]) (listener as (value: WidgetEvents[K]) => void)(value);
  };

  let module: Promise<PanelModule> | null = null;
  /** Fetches the code, and does nothing with it: no one's session is asked for by a pointer that passes by. */
  const load = (path: string): Promise<PanelModule> => import(/* @vite-ignore */ settings.server + path);
  const warmUp = () =>
    (module ??= load(PANEL).catch(() => load(PANEL_OF_NOW)).catch((fault: unknown) => {
      module = null;
      console.error(`Doorbell: the chat could not be loaded from ${settings.server}. If the page has a Content-Security-Policy, its script-src must name that address.`, fault);
      throw fault;
    }));
  const warmUpQuietly = () => void warmUp().catch(() => {});
  const panel = () => (loading ??= warmUp().then(({ start: startPanel }) => startPanel({ settings, api, root: hostNow().root, emit })).catch((fault: unknown) => {
    loading = null;
    throw fault;
  }));

  const open = async (target: Target, opener: HTMLElement | null) => {
    opener?.setAttribute('aria-busy', 'true');
    hostNow().showFailed(false);
    try {
      (await panel()).open(target, opener);
    } catch (fault) {
      if (!signal.aborted) hostNow().showFailed(true);
      throw fault;
    } finally {
      opener?.removeAttribute('aria-busy');
    }
  };
  const openQuietly = (target: Target, opener: HTMLElement) => void open(target, opener).catch(() => {});

  Object.assign(api, {
    open: (target: Target = null) => open(target, document.activeElement instanceof HTMLElement ? document.activeElement : null),
    close: () => void loading?.then((shown) => shown.close()),
    on<K extends keyof WidgetEvents>(event: K, listener: (value: WidgetEvents[K]) => void) {
      const set = ((listeners[event] as Set<typeof listener> | undefined) ??= listeners[event] = new Set() as never) as Set<typeof listener>;
      set.add(listener);
      return () => void set.delete(listener);
    },
    destroy() {
      ending.abort();
      void loading?.then((shown) => shown.destroy());
      host?.element.remove();
      if (window.doorbell === api) delete window.doorbell;
    },
  } satisfies Omit<WidgetApi, 'getToken' | 'onSignIn'>);

  // On the document, for buttons that are there and for those that come later.
  const press = (event: Event) => {
    const button = event.defaultPrevented ? null : buttonOf(event);
    if (!button) return;
    event.preventDefault();
    openQuietly(targetOf(button), button);
  };
  document.addEventListener('click', (event) => {
    // A link that is opened in a new tab is a link.
    if (!event.metaKey && !event.ctrlKey && !event.shiftKey) press(event);
  }, { signal });
  document.addEventListener('keydown', (event) => {
    if ((event.key === 'Enter' || event.key === ' ') && buttonOf(event)?.getAttribute('role') === 'button') press(event);
  }, { signal });
  for (const name of ['pointerover', 'focusin', 'touchstart']) {
    document.addEventListener(name, (event) => void (buttonOf(event) && warmUpQuietly()), { passive: true, signal });
  }

  const addLauncher = ({ launcher, target, label }: Settings) => {
    if (launcher !== 'off') hostNow().addLauncher(target, label, openQuietly, warmUpQuietly);
  };
  api[ADD] = (more) => whenIdle(() => addLauncher(more), signal);

  whenIdle(() => {
    prepareButtons();
    addLauncher(settings);
    let isPlanned = false;
    const observer = new MutationObserver(() => {
      if (isPlanned) return;
      isPlanned = true;
      whenIdle(() => {
        isPlanned = false;
        prepareButtons();
      }, signal);
    });
    observer.observe(document.documentElement, { childList: true, subtree: true });
    signal.addEventListener('abort', () => observer.disconnect());
    const isReturning = settings.connect === 'always' || (settings.connect === 'returning' && kept(() => localStorage, RETURNING_KEY) !== null);
    // The panel opens itself, as it was left.
    if (isReturning || /"isOpen":true/.test(kept(() => sessionStorage, POPUP_KEY) ?? '')) void panel().catch(() => {});
    window.dispatchEvent(new CustomEvent('doorbell:ready', { detail: api }));
  }, signal);
}

function kept(storage: () => Storage, key: string): string | null {
  try {
    return storage().getItem(key);
  } catch {
    return null;
  }
}

/** After the page has loaded, when it has nothing better to do. */
function whenIdle(act: () => void, signal: AbortSignal): void {
  const guarded = () => void (signal.aborted || act());
  const wait = () => (typeof requestIdleCallback === 'function' ? requestIdleCallback(guarded, { timeout: IDLE_TIMEOUT_MILLISECONDS }) : setTimeout(guarded, 200));
  if (document.readyState === 'complete') wait();
  else window.addEventListener('load', wait, { once: true, signal });
}

const script = document.currentScript;
if (script instanceof HTMLScriptElement) start(settingsOf(script));
else console.error('Doorbell: widget.js must be an ordinary script tag, without type="module".');
