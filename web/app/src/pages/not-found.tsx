import { Link } from 'wouter';
import { Notice } from '../components/notice';
import { isDemo } from '../server';
import { useTitle } from '../title';

export function NotFound() {
  useTitle('Not found');
  return (
    <Notice title="There is no door here" action={<Link href={isDemo ? '/' : '/messages'} className="button button-brand">{isDemo ? 'Look at homes' : 'To your messages'}</Link>}>
      The address leads nowhere. Perhaps it was typed by hand, and perhaps it was us.
    </Notice>
  );
}
