import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app';
import { Notice } from './components/notice';
import { startSession } from './session';
import './styles.css';
import { startTheme } from './theme';

startTheme();
const root = createRoot(document.getElementById('root')!);
startSession().then(
  () => root.render(<StrictMode><App /></StrictMode>),
  (fault: unknown) =>
    root.render(
      <main>
        <Notice title="The server cannot be reached" action={<button type="button" className="button button-brand" onClick={() => location.reload()}>Try again</button>}>
          {fault instanceof Error ? fault.message : null}
        </Notice>
      </main>,
    ),
);
