import type { ReactNode } from 'react';

/** In place of what cannot be shown: a picture, a sentence, and what to do. */
export function Notice({ title, children, action, level: Level = 'h1' }: { title: string; children?: ReactNode; action?: ReactNode; level?: 'h1' | 'h2' }) {
  return (
    <div data-testid="notice" className="mx-auto grid max-w-md justify-items-center gap-3 px-6 py-16 text-center">
      <svg viewBox="0 0 120 130" width="108" height="117" aria-hidden="true">
        <path d="M22 122V46a38 38 0 0 1 76 0v76z" className="fill-brand" />
        <path d="M32 122V48a28 28 0 0 1 56 0v74z" className="fill-brand-wash" />
        <path d="M40 64h18v22H40zM62 64h18v22H62zM40 92h18v22H40zM62 92h18v22H62z" className="fill-card" />
        <path d="M40 56a20 20 0 0 1 40 0z" className="fill-sun" />
        <circle cx="82" cy="90" r="3.4" className="fill-brand" />
        <path d="M8 122h104v5H8z" className="fill-line" />
        <circle cx="107" cy="74" r="6" className="fill-sun" />
      </svg>
      <Level className="text-2xl">{title}</Level>
      {children && <div className="text-pretty text-soft">{children}</div>}
      {action && <div className="pt-2">{action}</div>}
    </div>
  );
}
