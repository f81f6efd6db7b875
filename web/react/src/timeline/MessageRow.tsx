import type { Timeline, TimelineMessage } from '@doorbell/client';
import { memo } from 'react';
import { Avatar } from '../inbox/Avatar.js';
import { MediaGrid, MessageMedia } from '../media/MessageMedia.js';
import { UploadTile } from '../media/UploadTile.js';
import { nameOf, useSurroundings } from '../provider/context.js';
import { clockTime, exactTime } from '../texts/times.js';
import { Receipt } from './Receipt.js';
import { isEmojiOnly, linked } from './text.js';

interface MessageRowProps {
  message: TimelineMessage;
  isMine: boolean;
  isFirst: boolean;
  isLast: boolean;
  isGroup: boolean;
  /** Its links and pictures are in the Tab order: those of one row at a time. */
  isTabStop: boolean;
  /** Names of those who have read it; `null` outside groups. */
  readers: string[] | null;
  timeline: Timeline;
  onOpenMedia(attachmentId: string): void;
}

export const MessageRow = memo(function MessageRow({ message, isMine, isFirst, isLast, isGroup, isTabStop, readers, timeline, onOpenMedia }: MessageRowProps) {
  const { wording } = useSurroundings();
  const time = Date.parse(message.createdAt);
  const sender = isMine ? wording.texts.you : nameOf(message.sender, wording);
  const uploads = message.seq === 0 ? message.uploads ?? [] : [];
  const attachments = message.attachments ?? [];
  const text = message.content;
  const ownId = message.clientMessageId ?? message.key;
  const refused = uploads.filter(({ progress }) => progress.get().isRefused).length;
  // The same once more would be refused once more.
  const retryText = refused === 0 ? wording.texts.retry : text !== '' || refused < uploads.length ? wording.texts.sendWithout : null;
  const isPlainEmoji = text !== '' && attachments.length === 0 && uploads.length === 0 && isEmojiOnly(text);
  const isBare = isPlainEmoji || (text === '' && attachments.length + uploads.length > 0 && attachments.every(({ type }) => type !== 'file'));
  return (
    <li className="db-message" data-key={message.key} data-seq={message.seq} data-seen-seq={isMine ? undefined : message.seq} data-mine={isMine || undefined}
      data-first={isFirst || undefined} data-last={isLast || undefined} data-status={message.status} tabIndex={-1}>
      {!isMine && <span className="db-message-face">{isLast && <Avatar person={message.sender} size="small" />}</span>}
      <div className="db-message-body">
        {isFirst && !isMine && isGroup ? <bdi className="db-message-name">{sender}</bdi> : <span className="db-unseen">{sender}: </span>}
        <div className={isBare ? 'db-bubble db-bubble-bare' : 'db-bubble'} data-emoji={isPlainEmoji || undefined}>
          {attachments.length > 0 && (
            <MessageMedia attachments={attachments} senderName={sender} when={clockTime(wording, time)} isTabStop={isTabStop} onOpen={onOpenMedia} />
          )}
          {uploads.length > 0 && (
            <MediaGrid count={uploads.length}>{uploads.map((upload) => <UploadTile key={upload.id} upload={upload} isAlone={uploads.length === 1} />)}</MediaGrid>
          )}
          {text !== '' && <p className="db-text" dir="auto">{linked(text, isTabStop)}</p>}
        </div>
        <span className="db-when">{exactTime(wording, time)}</span>
        {message.status === 'failed' ? (
          <div className="db-failed">
            <Receipt status="failed" readers={null} />
            <span>{wording.texts.statusFailed}{message.error ? ` ${message.error.message}` : ''}</span>
            {retryText && (
              <>
                <button type="button" className="db-link" onClick={() => timeline.retry(ownId)}>{retryText}</button>
                <span aria-hidden="true">/</span>
              </>
            )}
            <button type="button" className="db-link" onClick={() => timeline.discard(ownId)}>{wording.texts.discard}</button>
          </div>
        ) : isLast && (
          <div className="db-meta">
            <time dateTime={message.createdAt}>{clockTime(wording, time)}</time>
            {isMine && <Receipt status={message.status} readers={readers} />}
          </div>
        )}
      </div>
    </li>
  );
}, isSame);

// A new list of the same readers is no reason to draw a row anew.
function isSame(before: MessageRowProps, after: MessageRowProps): boolean {
  const { readers: one, ...rest } = before;
  const { readers: other, ...now } = after;
  return one?.join('\n') === other?.join('\n') && (Object.keys(rest) as (keyof typeof rest)[]).every((key) => Object.is(rest[key], now[key]));
}
