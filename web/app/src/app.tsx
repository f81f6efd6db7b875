import { DoorbellProvider } from '@doorbell/react';
import { lazy, Suspense, useEffect, useRef, type ReactNode } from 'react';
import { Redirect, Route, Switch, useLocation } from 'wouter';
import { Boundary } from './components/boundary';
import { Header } from './components/header';
import { Notice } from './components/notice';
import { openSignIn, SignInDialog } from './components/sign-in';
import { NotFound } from './pages/not-found';
import { useLanguage, useWords } from './language';
import { usePopupInHistory } from './popup';
import { isDemo } from './server';
import { useSession } from './session';
import { useTheme } from './theme';
import { useTitle } from './title';

const Home = lazy(() => import('./pages/home').then((page) => ({ default: page.Home })));
const Listing = lazy(() => import('./pages/listing').then((page) => ({ default: page.Listing })));
const Messages = lazy(() => import('./pages/messages').then((page) => ({ default: page.Messages })));
const Dashboard = lazy(() => import('./pages/dashboard').then((page) => ({ default: page.Dashboard })));

export function App() {
  const words = useWords();
  return (
    <Chatting>
      <InnerLinks />
      <a href="#main" className="sr-only z-50 rounded-full bg-brand px-4 py-2 font-semibold text-brand-ink focus:not-sr-only focus:fixed focus:top-3 focus:start-3">{words.skip}</a>
      <Header />
      <Main />
      {isDemo && <SignInDialog />}
    </Chatting>
  );
}

/** Gives the pages their chat, where somebody is signed in. */
function Chatting({ children }: { children: ReactNode }) {
  const { client, user } = useSession();
  const theme = useTheme();
  const { tag, texts } = useLanguage();
  const [, navigate] = useLocation();
  if (!client) return children;
  return (
    <DoorbellProvider
      key={user?.id}
      client={client}
      theme={theme}
      locale={tag}
      {...(texts && { texts })}
      accent={theme === 'dark' ? '#6fd0bf' : '#0d5c56'}
      hrefFor={(id) => `/messages/${id}`}
      onOpen={(id) => navigate(`/messages/${id}`)}
      {...(isDemo && { browse: { href: '/', onClick: () => navigate('/') }, onSignIn: openSignIn })}
    >
      <PopupInHistory />
      {children}
    </DoorbellProvider>
  );
}

function PopupInHistory() {
  usePopupInHistory();
  return null;
}

/** Links that the chat draws lead to other pages of these without loading them anew. */
function InnerLinks() {
  const [, navigate] = useLocation();
  useEffect(() => {
    const follow = (event: MouseEvent) => {
      if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      const link = (event.target as Element).closest('a');
      if (!link || link.origin !== location.origin || link.target !== '' || link.hasAttribute('download') || link.hash !== '' || !isPage(link.pathname)) return;
      event.preventDefault();
      navigate(link.pathname + link.search);
    };
    document.addEventListener('click', follow);
    return () => document.removeEventListener('click', follow);
  }, [navigate]);
  return null;
}

const isPage = (path: string): boolean => path === '/' || /^\/(listing|messages|dashboard)(\/|$)/.test(path);

function Main() {
  const { client } = useSession();
  const [path] = useLocation();
  const main = useRef<HTMLElement>(null);
  const before = useRef(path);
  useEffect(() => {
    // A new page begins at its top, also for whoever hears it. Within the messages one stays where one is.
    const isNew = before.current !== path && !(before.current.startsWith('/messages') && path.startsWith('/messages'));
    before.current = path;
    if (!isNew) return;
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [path]);
  return (
    <main ref={main} id="main" tabIndex={-1} className="outline-none">
      <Boundary key={path.split('/')[1]}>
        <Suspense fallback={null}>
        <Switch>
          <Route path="/">{isDemo ? <Home /> : <Redirect to="/messages" replace />}</Route>
          {isDemo && <Route path="/listing/:id">{({ id }) => <Listing key={id} id={id} />}</Route>}
          <Route path="/messages/:id?">{({ id }) => (client ? <Messages id={id ?? null} /> : <SignInFirst of="messages" />)}</Route>
          {isDemo && <Route path="/dashboard">{client ? <Dashboard /> : <SignInFirst of="dashboard" />}</Route>}
          <Route><NotFound /></Route>
        </Switch>
        </Suspense>
      </Boundary>
    </main>
  );
}

function SignInFirst({ of }: { of: 'messages' | 'dashboard' }) {
  const words = useWords();
  useTitle(words[of]);
  return (
    <Notice title={words.signInFirst} action={<button type="button" className="button button-brand" onClick={openSignIn}>{words.signIn}</button>}>
      {of === 'messages' ? words.signInForMessages : words.signInForDashboard}
    </Notice>
  );
}
