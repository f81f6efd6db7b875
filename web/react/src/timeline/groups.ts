import type { TimelineMessage } from '@doorbell/client';
import { dayOf } from '../texts/times.js';

const GROUP_MILLISECONDS = 5 * 60_000;

export interface TimelineRow {
  message: TimelineMessage;
  /** The first of what one person wrote in one go: it has the name. */
  isFirst: boolean;
  /** The last of it: it has the picture and the time. */
  isLast: boolean;
  /** The "New" line stands before it. */
  isNew: boolean;
}

export interface Day {
  /** Unique among days, and the same however many of its messages are shown. */
  key: number;
  /** A time on that day. */
  time: number;
  rows: TimelineRow[];
}

type Timed = Pick<TimelineMessage, 'senderId' | 'createdAt' | 'seq'>;

/** Did one person write both in one go? */
export function isOneGroup(earlier: Timed | undefined, later: Timed | undefined): boolean {
  if (!earlier || !later || earlier.senderId !== later.senderId) return false;
  const [one, other] = [Date.parse(earlier.createdAt), Date.parse(later.createdAt)];
  return other - one < GROUP_MILLISECONDS && dayOf(one) === dayOf(other);
}

/** The messages from `start` to before `end`, by day. Neighbours that are not shown count for the groups. */
export function daysOf(messages: readonly TimelineMessage[], start: number, end: number, newSeq: number | null): Day[] {
  const days: Day[] = [];
  for (let index = start; index < end; index += 1) {
    const message = messages[index]!;
    const before = messages[index - 1];
    const after = messages[index + 1];
    const time = Date.parse(message.createdAt);
    const key = dayOf(time);
    const startsNew = (candidate: Timed | undefined, previous: Timed | undefined) =>
      newSeq !== null && candidate !== undefined && candidate.seq >= newSeq && (previous === undefined || previous.seq < newSeq);
    const isNew = startsNew(message, before);
    // A clock that was set back must not split a day in two sections of one key.
    let day = days.at(-1);
    if (!day || key > day.key) days.push((day = { key, time, rows: [] }));
    day.rows.push({
      message,
      isNew,
      isFirst: isNew || !isOneGroup(before, message),
      isLast: startsNew(after, message) || !isOneGroup(message, after),
    });
  }
  return days;
}
