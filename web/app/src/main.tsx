import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app';
import { Notice } from './components/notice';
import { startLanguage, useWords } from './language';
import { startLightboxInHistory } from './lightbox';
import { startSession } from './session';
import './styles.css';
import { startTheme } from './theme';

startTheme();
startLightboxInHistory();
const root = createRoot(document.getElementById('root')!);
Promise.all([startSession(), startLanguage()]).then(
  () => root.render(<StrictMode><App /></StrictMode>),
  (fault: unknown) => root.render(<main><Unreachable fault={fault} /></main>),
);

function Unreachable({ fault }: { fault: unknown }) {
  const words = useWords();
  return (
    <Notice title={words.unreachable} action={<button type="button" className="button button-brand" onClick={() => location.reload()}>{words.tryAgain}</button>}>
      {fault instanceof Error ? fault.message : null}
    </Notice>
  );
}
