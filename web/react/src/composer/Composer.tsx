import type { Timeline, Upload } from '@doorbell/client';
import { useEffect, useId, useLayoutEffect, useRef, useState, type ClipboardEvent, type KeyboardEvent, type RefObject } from 'react';
import { useSurroundings } from '../provider/context.js';
import { useMedia } from '../provider/focus.js';
import { AttachIcon, CameraIcon, SendIcon } from '../theme/icons.js';
import { ACCEPTED } from './refusals.js';
import { Tray } from './Tray.js';
import type { Files } from './useFiles.js';

const MOST_CHARACTERS = 8_000;
const COUNTED_FROM = MOST_CHARACTERS * 0.9;

interface ComposerProps {
  timeline: Timeline;
  files: Files;
  /** Whom the message is for. */
  name: string;
  field: RefObject<HTMLTextAreaElement | null>;
  onSend(draft: { text: string; uploads: Upload[] }): void;
}

/** Characters as the server counts them: an emoji is one or a few, never by its halves. */
const lengthOf = (text: string): number => (text.length < COUNTED_FROM ? text.length : [...text.trim()].length);

export function Composer({ timeline, files, name, field, onSend }: ComposerProps) {
  const { wording, announcements } = useSurroundings();
  const { texts } = wording;
  const [text, setText] = useDraft(timeline);
  const isTouch = useMedia('(pointer: coarse)');
  const picker = useRef<HTMLInputElement>(null);
  const camera = useRef<HTMLInputElement>(null);
  const countId = useId();
  // A second click or key comes before the next render: what is left to send is read from here.
  const ready = useRef(text);
  ready.current = text;

  const length = lengthOf(text);
  const isOver = length > MOST_CHARACTERS;
  const canSend = (text.trim() !== '' || files.uploads.length > 0) && !isOver;

  function change(next: string) {
    ready.current = next;
    setText(next);
    timeline.typing(next.trim() !== '');
  }

  function send() {
    const draft = ready.current;
    if (lengthOf(draft) > MOST_CHARACTERS) return;
    const uploads = files.take();
    if (draft.trim() === '' && uploads.length === 0) return;
    change('');
    try {
      onSend({ text: draft, uploads });
    } catch (error) {
      // Nothing that was written is lost for a refusal.
      change(draft);
      files.add(uploads.map(({ file }) => file as File));
      announcements.assertive((error as Error).message);
    }
    field.current?.focus();
  }

  function press(event: KeyboardEvent) {
    // 229: Safari ends a composition before it tells of the Enter that ended it.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing || event.keyCode === 229) return;
    if (isTouch && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    if (!event.repeat) send();
  }

  function paste(event: ClipboardEvent) {
    const pasted = [...event.clipboardData.files];
    // Text that was copied from an office program brings a picture of itself along.
    if (pasted.length === 0 || event.clipboardData.types.includes('text/plain')) return;
    event.preventDefault();
    files.add(pasted);
  }

  const choose = (input: HTMLInputElement) => {
    files.add(input.files ?? []);
    input.value = '';
    field.current?.focus();
  };

  useAutoHeight(field, text);
  const counter = isOver ? wording.say('charactersOver', { count: length - MOST_CHARACTERS }) : wording.say('charactersLeft', { count: MOST_CHARACTERS - length });
  return (
    <form className="db-composer" onSubmit={(event) => { event.preventDefault(); send(); }}>
      {files.uploads.length + files.refused.length > 0 && <Tray files={files} />}
      <div className="db-composer-line">
        <input ref={picker} type="file" hidden multiple accept={ACCEPTED} onChange={(event) => choose(event.currentTarget)} />
        <button type="button" className="db-icon-button" aria-label={texts.addFiles} title={texts.addFiles} onClick={() => picker.current?.click()}><AttachIcon /></button>
        {isTouch && (
          <>
            <input ref={camera} type="file" hidden accept="image/*" capture="environment" onChange={(event) => choose(event.currentTarget)} />
            <button type="button" className="db-icon-button" aria-label={texts.takePhoto} onClick={() => camera.current?.click()}><CameraIcon /></button>
          </>
        )}
        <textarea ref={field} className="db-field" rows={1} dir="auto" value={text} placeholder={texts.composerPlaceholder}
          aria-label={wording.say('composerLabel', { name })} aria-describedby={length >= COUNTED_FROM ? countId : undefined} aria-invalid={isOver || undefined}
          enterKeyHint={isTouch ? 'enter' : 'send'} onChange={(event) => change(event.target.value)} onKeyDown={press} onPaste={paste} onBlur={() => timeline.typing(false)} />
        <button type="submit" className="db-send" aria-label={texts.send} title={texts.send} aria-disabled={!canSend} onPointerDown={(event) => event.preventDefault()}><SendIcon /></button>
      </div>
      {length >= COUNTED_FROM && <p id={countId} className="db-count" data-over={isOver || undefined}>{counter}</p>}
    </form>
  );
}

/** The draft of this conversation; one that comes from elsewhere (another tab, a suggestion) replaces it. */
function useDraft(timeline: Timeline): [string, (text: string) => void] {
  const [text, setText] = useState(() => timeline.draft.get());
  const last = useRef(text);
  useEffect(() => {
    // Asked here and not by rendering: what was typed since would be taken for what comes from elsewhere.
    const take = () => {
      const stored = timeline.draft.get();
      if (stored !== last.current) setText((last.current = stored));
    };
    take();
    return timeline.draft.subscribe(take);
  }, [timeline]);
  const set = (next: string) => {
    setText((last.current = next));
    timeline.setDraft(next);
  };
  return [text, set];
}

/** As high as its text, where the browser cannot do that by itself. */
function useAutoHeight(field: RefObject<HTMLTextAreaElement | null>, text: string): void {
  useLayoutEffect(() => {
    const element = field.current;
    if (!element || CSS.supports('field-sizing', 'content')) return;
    element.style.height = 'auto';
    element.style.height = `${element.scrollHeight}px`;
  }, [field, text]);
}
