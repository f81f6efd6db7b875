import type { DoorbellClient, Upload } from '@doorbell/client';
import { useCallback, useEffect, useRef, useState } from 'react';
import { useSurroundings } from '../provider/context.js';
import { DEFAULT_LIMITS, refusal, type FileLimits } from './refusals.js';

export interface Files {
  uploads: Upload[];
  /** Why files were refused, a sentence each. */
  refused: string[];
  add(files: Iterable<File>): void;
  remove(upload: Upload): void;
  /** Hands them over: they are no longer the composer's. */
  take(): Upload[];
  dismissRefused(): void;
}

/** The files that will go with the next message; they are uploaded while it is written. */
export function useFiles(client: DoorbellClient, conversationId: string, limits: FileLimits = DEFAULT_LIMITS): Files {
  const { wording, announcements } = useSurroundings();
  const [uploads, setUploads] = useState<Upload[]>([]);
  const [refused, setRefused] = useState<string[]>([]);
  const current = useRef<Upload[]>([]);
  const change = useCallback((next: Upload[]) => setUploads((current.current = next)), []);

  // What was chosen for one conversation must not end up in another.
  useEffect(() => {
    return () => {
      for (const upload of current.current) upload.cancel();
      change([]);
      setRefused([]);
    };
  }, [conversationId, change]);

  // Judged by its bytes, it cannot be sent, now or later: a sentence says why, and the rest goes without it.
  const drop = useCallback(
    (upload: Upload) => {
      const { isRefused, error } = upload.progress.get();
      if (!isRefused || !current.current.includes(upload)) return;
      const reason = wording.say('uploadRefused', { name: upload.fileName, reason: error?.message ?? '' });
      change(current.current.filter((other) => other !== upload));
      setRefused((before) => [...before.filter((other) => other !== reason), reason]);
      announcements.assertive(reason);
    },
    [wording, announcements, change],
  );

  const add = useCallback(
    (files: Iterable<File>) => {
      const reasons: string[] = [];
      const begun: Upload[] = [];
      for (const file of files) {
        const reason = current.current.length + begun.length >= limits.count
          ? wording.say('refusedCount', { limit: wording.number(limits.count) })
          : refusal(file, limits, wording);
        if (reason === null) begun.push(client.upload(file));
        else if (!reasons.includes(reason)) reasons.push(reason);
      }
      // A failure is told beside the file; without this it would also be an unhandled rejection.
      for (const upload of begun) upload.done.catch(() => drop(upload));
      change([...current.current, ...begun]);
      setRefused(reasons);
      if (reasons.length > 0) announcements.assertive(reasons.join(' '));
    },
    [client, limits, wording, announcements, change, drop],
  );
  const remove = (upload: Upload) => {
    upload.cancel();
    change(current.current.filter((other) => other !== upload));
  };
  const take = () => {
    const taken = current.current;
    change([]);
    // Who sends a file that did not get through means it to be tried again.
    for (const upload of taken) if (upload.progress.get().status === 'failed') upload.retry();
    setRefused([]);
    return taken;
  };
  const dismissRefused = () => setRefused([]);
  return { uploads, refused, add, remove, take, dismissRefused };
}
