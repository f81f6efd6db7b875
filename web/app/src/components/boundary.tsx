import { Component, type ReactNode } from 'react';
import { useWords } from '../language';
import { Notice } from './notice';

/** What stands in place of a page that broke. What was written is kept: it is stored before it is sent. */
export class Boundary extends Component<{ children: ReactNode }, { fault: Error | null }> {
  override state = { fault: null };

  static getDerivedStateFromError(fault: Error) {
    return { fault };
  }

  override render() {
    if (!this.state.fault) return this.props.children;
    return <Broken />;
  }
}

function Broken() {
  const words = useWords();
  return (
    <Notice title={words.broke} action={<button type="button" className="button button-brand" onClick={() => location.reload()}>{words.loadAgain}</button>}>
      {words.brokeHint}
    </Notice>
  );
}
