/** Every limit and period of the client, in one place. Times are in milliseconds. */

/** Messages that wait to be sent; a person does not write more, a runaway script does. */
export const OUTBOX_MESSAGES = 1_000;
/** Files of one message, as the server has it. */
export const FILES_A_MESSAGE = 10;
/** Messages that a timeline holds; beyond it the pages far from the reader are unloaded. */
export const WINDOW_MESSAGES = 2_000;
/** Messages in one page of history. */
export const PAGE_MESSAGES = 50;
/** All is loaded from the first unread message on, if that is not farther than this; else the pages around it alone. */
export const UNREAD_PAGE_MESSAGES = 500;
/** Pages that are looked through for the first unread message, where it is not quite where it was looked for. */
export const UNREAD_SEARCH_PAGES = 4;
/** Pages that are repaired one by one after an absence; beyond it the newest page is loaded instead. */
export const REPAIR_PAGES = 5;
/** Messages that wait while a gap before them is filled. */
export const HELD_MESSAGES = 500;
/** Conversations in one page of the list. */
export const PAGE_CONVERSATIONS = 50;
/** Conversations that the list holds. */
export const INBOX_CONVERSATIONS = 10_000;
/** Timelines that are kept when nobody has them open, so that going back is at once. */
export const IDLE_TIMELINES = 10;
/** Drafts in memory; the others are in storage. */
export const OPEN_DRAFTS = 200;
/** People whose presence is kept. */
export const PRESENCES = 2_000;

/** An answer that has not come by then is not coming: the request is made again. */
export const ANSWER_TIMEOUT = 10_000;
/** For a connection to be made, by one transport. */
export const CONNECT_TIMEOUT = 8_000;
/** Waiting times between attempts: doubled each time, with jitter. */
export const RETRY_FIRST = 500;
export const RETRY_MOST = 15_000;
/** Failed attempts after which REST is asked whether it works where sockets do not. */
export const ATTEMPTS_BEFORE_POLLING = 3;
/** While polling, sockets are tried this often. */
export const POLLING_PROBE = 30_000;
export const POLL_MESSAGES = 3_000;
export const POLL_LIST = 5_000;

/** The server forgets a typist after 6 s: it is told again before that. */
export const TYPING_REPEAT = 3_000;
export const TYPING_STOPS = 6_000;
/** Somebody's typing is gone by itself a little after the server would have said so. */
export const TYPING_EXPIRES = 7_000;

/** Read marks are gathered this long. */
export const READ_DELAY = 200;
/** A timeline that is opened again within this time was never left. */
export const LEAVE_DELAY = 500;
/** Changes of groups are gathered this long before the list is read again for them. */
export const GROUP_REREAD = 300;
export const DRAFT_DELAY = 250;
export const INBOX_SAVE_DELAY = 1_000;

/** Larger files go up in pieces that can be resumed. */
export const RESUMABLE_BYTES = 8 * 1024 * 1024;
/** The first piece is small: a file that is refused by its first bytes is refused before much has been sent. */
export const FIRST_PIECE_BYTES = 256 * 1024;
export const PIECE_BYTES = 4 * 1024 * 1024;
/** Uploads at once; the server lets a person have 8, over all tabs and devices. */
export const UPLOADS_AT_ONCE = 3;
/** A file that fails so often while the server is there is refused by something on the way. */
export const UPLOAD_ATTEMPTS = 5;

/** Other tabs say who they are this often; who did not is gone. */
export const ROLL_CALL = 60_000;
/** Time for other tabs to answer a roll call. */
export const ROLL_CALL_ANSWERS = 1_000;
