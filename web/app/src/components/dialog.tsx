import { X } from 'lucide-react';
import { useEffect, useId, useRef, type ReactNode } from 'react';
import { useWords } from '../language';

/** A window above the page; Escape, the cross and a click beside it close it. */
export function Dialog({ title, onClose, children }: { title: string; onClose(): void; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const words = useWords();
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={id}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === dialog.current) dialog.current.close();
      }}
      className="m-auto max-h-[min(44rem,calc(100dvh-2rem))] w-[min(34rem,calc(100vw-1.5rem))] rounded-3xl border border-line bg-card p-0 text-ink shadow-lift"
    >
      <div className="flex max-h-[inherit] flex-col">
        <div className="flex items-center justify-between gap-4 px-6 pt-5 pb-3">
          <h2 id={id} className="text-2xl">{title}</h2>
          <button type="button" onClick={() => dialog.current?.close()} aria-label={words.close} className="grid size-11 place-items-center rounded-full text-soft hover:bg-sunk hover:text-ink">
            <X className="size-5" aria-hidden="true" />
          </button>
        </div>
        <div className="overflow-y-auto px-6 pb-6">{children}</div>
      </div>
    </dialog>
  );
}
