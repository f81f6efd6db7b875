import { useState } from 'react';
import { ask, type Comment } from '../api';
import { useLanguage, useWords } from '../language';
import { useRemote } from '../remote';
import { tokenOf, useSession } from '../session';
import { Avatar } from './avatar';
import { openSignIn } from './sign-in';

const MOST_CHARS = 8000;

/** What people say about a listing in public (seed listing-chat: `/api/comments`). */
export function Comments({ postId }: { postId: string }) {
  const words = useWords();
  const { user } = useSession();
  return (
    <section aria-labelledby="comments" className="grid gap-4">
      <h2 id="comments" className="text-2xl">{words.comments}</h2>
      {user ? <Conversation postId={postId} userId={user.id} /> : (
        <p><button type="button" onClick={openSignIn} className="text-start font-semibold text-brand underline underline-offset-4">{words.signInForComments}</button></p>
      )}
    </section>
  );
}

function Conversation({ postId, userId }: { postId: string; userId: string }) {
  const { words, ago } = useLanguage();
  const [text, setText] = useState('');
  const [isSending, setIsSending] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);
  const { data: comments, error, put } = useRemote(`comments/${postId}/${userId}`, async () => {
    const token = await tokenOf(userId);
    return (await ask<{ comments: Comment[] }>(`/api/comments?postId=${encodeURIComponent(postId)}`, { token })).comments;
  });

  async function send() {
    if (text.trim() === '' || isSending) return;
    setIsSending(true);
    setRefusal(null);
    try {
      const { comment } = await ask<{ comment: Comment }>('/api/comments', { token: await tokenOf(userId), body: { postId, text } });
      put([...(comments ?? []), comment]);
      setText('');
    } catch (fault) {
      setRefusal(fault instanceof Error ? fault.message : String(fault));
    }
    setIsSending(false);
  }

  return (
    <>
      {error && <p role="alert" className="text-soft">{error.message}</p>}
      <ul className="grid gap-4">
        {comments?.map((comment) => (
          <li key={comment._id} className="flex gap-3">
            <Avatar person={comment.author} size={38} />
            <div className="min-w-0">
              <p className="text-sm"><span className="font-semibold"><bdi>{comment.author.name}</bdi></span> <time dateTime={comment.createdAt} className="text-soft">{ago(comment.createdAt)}</time></p>
              <p dir="auto" className="wrap-anywhere whitespace-pre-line">{comment.text}</p>
            </div>
          </li>
        ))}
        {comments?.length === 0 && <li className="text-soft">{words.noComments}</li>}
      </ul>
      <form
        className="flex flex-wrap gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <input aria-label={words.yourComment} value={text} maxLength={MOST_CHARS} onChange={(event) => setText(event.target.value)} placeholder={words.commentHint} className="field min-w-52 flex-1" />
        <button type="submit" className="button button-plain" disabled={isSending}>{words.post}</button>
      </form>
      {refusal && <p role="alert" className="text-soft">{refusal}</p>}
    </>
  );
}
