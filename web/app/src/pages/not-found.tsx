import { Link } from 'wouter';
import { Notice } from '../components/notice';
import { useWords } from '../language';
import { isDemo } from '../server';
import { useTitle } from '../title';

export function NotFound() {
  const words = useWords();
  useTitle(words.notFound);
  return (
    <Notice title={words.nowhere} action={<Link href={isDemo ? '/' : '/messages'} className="button button-brand">{isDemo ? words.lookAtHomes : words.toMessages}</Link>}>
      {words.nowhereHint}
    </Notice>
  );
}
