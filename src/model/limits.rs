//! Every number that bounds what arrives or waits, each with the reason for it.
//!
//! What an operator may change stands in the configuration (`config`), which takes its defaults and bounds from here.
//! Units stand last in each name.

use std::time::Duration;

// A connection, and the request that arrives on it.

/// Longest request line and headers together. Node's default; a token and two session cookies of 4 KiB fit.
pub const HEADER_BYTES: usize = 16 * 1024;
/// A client has this long to send its headers; whoever drips them holds a connection for no longer. A connection that
/// is kept alive without a request is closed after the same time: to HTTP the two look alike.
pub const HEADER_TIME: Duration = Duration::from_secs(10);
/// Most headers in a request. hyper reserves room for each of them in advance.
pub const HEADER_COUNT: usize = 100;
/// Read and write buffer of a request's connection. Half of it holds the largest headers, the rest what follows them.
pub const HTTP_BUFFER_BYTES: usize = 2 * HEADER_BYTES;
/// Longest JSON body: as long as a Socket.IO packet, so that no message passes on one way and fails on the other.
pub const BODY_BYTES: usize = 1_000_000;
/// A client has this long to send a JSON body: at 1,000,000 bytes that asks for 270 kbit/s, a poor phone line.
pub const BODY_TIME: Duration = Duration::from_secs(30);
/// For so long it need not be asked again whether a token, key or session still holds while a body comes: far less than
/// the 5 seconds within which its end acts, and more than nearly every body takes.
pub const IDENTITY_STANDS: Duration = Duration::from_secs(1);
/// What is read and thrown away of a body over its limit, so that the refusal arrives: closing over bytes that were not
/// read resets the connection, and the client never learns why.
pub const DISCARDED_BODY_BYTES: usize = 4 * BODY_BYTES;
/// How long that may take.
pub const DISCARDED_BODY_TIME: Duration = Duration::from_secs(5);
/// A connection that ends with an answer is read for so long and so far, and what comes is thrown away: closing over bytes
/// that were not read resets the connection, and the answer is lost to a client that is still writing.
pub const LINGER_TIME: Duration = Duration::from_secs(2);
pub const LINGER_BYTES: usize = 4 * BODY_BYTES;
/// A TLS handshake is over within this time, as headers are.
pub const TLS_HANDSHAKE_TIME: Duration = HEADER_TIME;
/// The files of the certificate are looked at so often: whoever renews them does so days before the end.
pub const CERTIFICATE_LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Longest file of a certificate or key.
pub const CERTIFICATE_FILE_BYTES: u64 = 1024 * 1024;
/// A client that takes nothing of its answer for so long is closed: it holds memory and a place among the connections.
pub const ANSWER_STALL_TIME: Duration = Duration::from_secs(60);
/// Connections open at once, of all kinds. At 4 to 6 KB each they stay under 1 GB; the operating system's limit of
/// open files may be lower and then decides.
pub const OPEN_CONNECTIONS: usize = 100_000;
/// Connections that one address may have open at once, unless `DOORBELL_CONNECTIONS_PER_ADDRESS` says otherwise: more than
/// any office or carrier has behind one address, and a tenth of all, so that one address alone takes nobody's place.
pub const CONNECTIONS_PER_ADDRESS: usize = 10_000;
/// When whoever finds no place for a connection is told to come again.
pub const CONNECTION_RETRY_TIME: Duration = Duration::from_secs(2);
/// Connections that the operating system keeps waiting until they are accepted. It may allow fewer (on Linux
/// `net.core.somaxconn`, 4,096 by default).
pub const WAITING_CONNECTIONS: u32 = 16_384;
/// Files kept free of connections: the store, media, logs, listeners.
pub const RESERVED_FILES: usize = 128;
/// Connections over the limit that are told so at once (503 with `Retry-After`); more than these are closed unheard.
pub const REFUSALS_AT_ONCE: usize = 64;
/// After an error of `accept` that will not mend at once (no files left), the listener rests so long.
pub const ACCEPT_REST: Duration = Duration::from_millis(50);
/// SIGTERM to exit. Docker and Kubernetes kill after 10 and 30 s.
pub const DRAIN_TIME: Duration = Duration::from_secs(10);

// An image that is uploaded. Its bytes have limits of their own, which operators set.

/// Longest side of an image, in pixels. No phone takes a longer one but for panoramas.
pub const IMAGE_SIDE_PIXELS: u32 = 12_000;
/// Most pixels of an image: what the largest sensors of phones give. Decoded they take 150 to 200 MB, which is what bounds it.
pub const IMAGE_PIXELS: u64 = 50_000_000;
/// Most images of an animation.
pub const ANIMATION_FRAMES: u32 = 2_000;
/// Most pixels of all images of an animation: they are unpacked to be counted, at about 100 million a second.
pub const ANIMATION_PIXELS: u64 = 250_000_000;

// A Socket.IO connection.

/// Longest packet, as Engine.IO's `maxPayload` tells the client.
pub const PACKET_BYTES: usize = 1_000_000;
/// Most binary attachments of a packet, as the reference server has it.
pub const PACKET_ATTACHMENTS: usize = 10;
/// From the handshake to an authenticated CONNECT.
pub const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Engine.IO's heartbeat, as stock clients know it: a ping each so often ...
pub const PING_INTERVAL: Duration = Duration::from_secs(25);
/// ... and the pong within this time.
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Pushes that wait for one slow reader, who is closed above it: about 2,000 messages. It repairs its gap on return.
pub const WAITING_PUSH_BYTES: usize = 1024 * 1024;
/// Age of the oldest push that waits, above which its reader is closed: longer behind is not live.
pub const WAITING_PUSH_TIME: Duration = Duration::from_secs(10);
/// So long everybody's news wait for one reader, for whom a quarter of [`WAITING_PUSH_BYTES`] waits, in each
/// [`READERS_PERIOD`]: 40 MB at 20 MB/s, which is what a node that catches up may have for somebody in a lively room ...
pub const READER_WAIT: Duration = Duration::from_secs(2);
/// ... and for all of them: news are late then, but not for long. Who does not keep up all the same is closed alone.
pub const READERS_WAIT: Duration = Duration::from_secs(3);
pub const READERS_PERIOD: Duration = Duration::from_secs(10);
/// A reader who does not take `READER_PART_BYTES` in so long is slow, and is not waited for: a program that is about to read
/// has its turn by then, also on a busy machine.
pub const READER_LULL: Duration = Duration::from_millis(250);
pub const READER_PART_BYTES: u64 = 64 * 1024;
/// Events of one socket under way at once; then its connection is not read until one is answered.
pub const EVENTS_UNDER_WAY: usize = 256;
/// From telling a client why its connection ends to the end. One that polls hears what it is told only if the end comes by
/// a later poll: the stock client passes over what stands before it in the same one.
pub const FAREWELL_TIME: Duration = Duration::from_millis(100);
/// Conversations that one socket may have joined, unless `DOORBELL_JOINED_CONVERSATIONS` says otherwise. A person's open
/// pages need a handful.
pub const JOINED_CONVERSATIONS: usize = 1_000;
/// Sockets that a user may have open at once on one node, unless `DOORBELL_SOCKETS_PER_USER` says otherwise: a browser that
/// restores fifty tabs, whose fifty sockets of before were not yet noticed to be dead. Each may hold `WAITING_PUSH_BYTES`.
pub const SOCKETS_PER_USER: usize = 100;
/// Largest value of these settings; what is more is meant to be `off`.
pub const COUNT_HIGHEST: usize = 1_000_000;
/// Networks of trusted proxies that may be configured: each is looked at for each request that comes through one.
pub const TRUSTED_PROXIES: usize = 100;

// A request that is handed over to the node that has its session.

/// A node that takes no connection for so long is gone, for the client at least: it begins a new session elsewhere.
pub const HANDOVER_CONNECT_TIME: Duration = Duration::from_secs(1);
/// The whole of an answer. A poll that waits is ended by the owner's ping after 25 s; one that is not for another 20 s,
/// which is what a client waits for a ping, comes from a node that stands still.
pub const HANDOVER_ANSWER_TIME: Duration = Duration::from_secs(45);
/// The answer to the handshake of a WebSocket, as long as the owner gives the probe.
pub const HANDOVER_UPGRADE_TIME: Duration = Duration::from_secs(10);
/// A WebSocket over which nothing came for so long has lost an end: there is a ping each 25 s and a pong to it.
pub const HANDOVER_SILENCE: Duration = Duration::from_secs(60);
/// What is under way to one end when the other has gone may take so long, as with a connection of one's own.
pub const HANDOVER_FAREWELL: Duration = Duration::from_secs(5);
/// Connections between nodes are kept so long without use: shorter than `HEADER_TIME`, after which the other closes them.
pub const HANDOVER_IDLE_TIME: Duration = Duration::from_secs(5);
/// Connections kept to one node without use; more were a moment's load.
pub const HANDOVER_IDLE_CONNECTIONS: usize = 256;
/// Longest answer of an owner: far above what may wait for one client, so only a fault reaches it.
pub const HANDOVER_ANSWER_BYTES: usize = 16 * 1024 * 1024;

// Several nodes.

/// A node gives a sign of life so often.
pub const NODE_BEAT: Duration = Duration::from_secs(2);
/// A node that has given none for longer counts as dead, and its sessions as ended with the last one: several in a row
/// must be missing, since a machine that is short of breath is not.
pub const NODE_SILENCE: Duration = Duration::from_secs(10);
/// A node that has given none for so long is handed nothing any more. Most that end are noticed earlier, since nobody
/// takes connections at their address; a database that is slow for a while must not part the nodes.
pub const NODE_FORGOTTEN: Duration = Duration::from_secs(30);
/// A node's address, once read, is used for so long before it is read again.
pub const NODES_KNOWN: Duration = Duration::from_secs(3);
/// So long, nobody asks again for a node that was not there: session ids can be made up, and each would be a query. A node
/// needs longer than this from entering the database to its first session.
pub const NODES_UNKNOWN: Duration = Duration::from_millis(250);
/// The reading itself: a client waits for it.
pub const NODES_READ_TIME: Duration = Duration::from_secs(1);

// Texts.

/// Longest content of a message or comment, in Unicode characters: about four printed pages.
pub const CONTENT_CHARS: usize = 8_000;
/// Longest id of a user, listing, conversation or post, in characters (`A-Za-z0-9_.:@-`, so bytes as well).
pub const ID_CHARS: usize = 128;
/// Longest `clientMessageId` or `Idempotency-Key`: a UUID has 36, a SHA-256 in hexadecimal 64.
pub const CLIENT_MESSAGE_ID_CHARS: usize = 64;
/// Longest name of a person.
pub const NAME_CHARS: usize = 200;
/// Longest title of a listing or group.
pub const TITLE_CHARS: usize = 200;
/// Longest e-mail address (RFC 5321, section 4.5.3.1.3, less the angle brackets).
pub const EMAIL_CHARS: usize = 254;
/// Longest address of a page or picture: what browsers and servers commonly carry.
pub const URL_CHARS: usize = 2_048;
/// Longest role of a person in the host application.
pub const ROLE_CHARS: usize = 64;
/// Longest price of a listing, a text for display.
pub const PRICE_CHARS: usize = 64;
/// Longest token. It arrives in a header, so it cannot be longer there; this is for the one in a CONNECT packet.
pub const TOKEN_BYTES: usize = HEADER_BYTES;

// Pages of history and lists.

/// Messages in a history without `limit`: the seeds' front ends expect all, and page no further.
pub const HISTORY_PAGE: usize = 1_000;
/// Most messages in any history; a larger `limit` is this one.
pub const HISTORY_PAGE_MAX: usize = 1_000;
/// Messages in `conversation:messages` of a join: what a phone shows on three screens.
pub const JOIN_MESSAGES: usize = 50;
/// Messages in `conversation:messages` of a join with `afterSeq`, which repairs a gap.
pub const JOIN_MESSAGES_AFTER: usize = 200;
/// Bytes of `conversation:messages`: one socket's answer must not hold up its pushes.
pub const JOIN_MESSAGES_BYTES: usize = 256 * 1024;
/// Longest `wait` of a long poll: under the 30 s at which common balancers give up.
pub const LONG_POLL_TIME: Duration = Duration::from_secs(25);
/// Long polls of one user held at once: a few open tabs.
pub const LONG_POLLS_PER_USER: usize = 16;

// Groups.

/// Fewest people in a group, its maker counted.
pub const GROUP_MIN: usize = 2;
/// Most people in a group, unless `DOORBELL_GROUP_MAX` says otherwise.
pub const GROUP_MAX: usize = 500;
/// Largest `DOORBELL_GROUP_MAX`: one message is then 10,000 pushes, a third of a second of one core.
pub const GROUP_MAX_HIGHEST: usize = 10_000;

// What lives in memory alone.

/// Typing stops by itself when nothing renews it.
pub const TYPING_TIME: Duration = Duration::from_secs(6);
/// At most one push of typing for a user and conversation in so long; the last state is always delivered.
pub const TYPING_PUSH_INTERVAL: Duration = Duration::from_secs(1);
/// At most one `conversation:updated` about new messages for a conversation in so long.
pub const CONVERSATION_PUSH_INTERVAL: Duration = Duration::from_secs(1);
/// A user is offline when the last socket has been gone so long: a reload of a page is not an absence.
pub const PRESENCE_GRACE: Duration = Duration::from_secs(5);
/// A REST request counts as being online for so long: five polls of 3 seconds.
pub const PRESENCE_REST: Duration = Duration::from_secs(15);
/// Keys (users or addresses) whose rate is remembered at once, for each kind of rate. Under 64 bytes each, so at most
/// 8 MB a kind.
pub const RATE_KEYS: usize = 131_072;

// The bus between nodes.

/// Longest frame: a few thousand signals. Redis passes it on to every node, and holds up the others meanwhile.
pub const BUS_FRAME_BYTES: usize = 256 * 1024;
/// Signals that wait on their way in, and on their way out those of each kind that are told by their last state: what a
/// busy node tells in a second. More are dropped: none of them is needed for long.
pub const BUS_SIGNALS: usize = 4_096;
/// People whose presence waits to be told: a whole list of the largest node, and as many changes.
pub const BUS_PEOPLE: usize = 200_000;
/// People in one part of a node's list.
pub const BUS_PEOPLE_PART: usize = 1_000;
/// Nodes that are listened to, and slots of the journal of which hints are kept: far more than there are.
pub const BUS_NODES: usize = 1_000;
pub const BUS_SLOTS: usize = 64;
/// What was taken from rates is told at most so often: a user who sends to two nodes at once gets at most what fits into
/// this time, and the way, too much.
pub const BUS_RATES_INTERVAL: Duration = Duration::from_millis(20);
/// A node tells all its online people again so often ...
pub const PRESENCE_LIST_INTERVAL: Duration = Duration::from_secs(10);
/// ... and one that was not heard of for so long has nobody online: two lists may get lost, and who was on a node that
/// was killed is offline within 30 s.
pub const PRESENCE_SILENCE: Duration = Duration::from_secs(25);
/// People online elsewhere who are remembered: at some 200 bytes each, 100 MB.
pub const PRESENCE_ELSEWHERE: usize = 500_000;
/// People typing elsewhere who are remembered, each for seconds.
pub const TYPING_ELSEWHERE: usize = 10_000;
/// Ends of typing that are remembered for those who come back: at some 100 bytes each, 1 MB.
pub const TYPING_STOPS: usize = 10_000;

// The store.

/// Writes that wait for the store's writer. At 10,000 a second that is 0.2 s; beyond it a send is `UNAVAILABLE` at
/// once, rather than late.
pub const WRITER_QUEUE: usize = 2_000;
/// Most writes in a transaction: larger ones gain little and make everyone in them wait.
pub const WRITER_BATCH: usize = 512;

// Tokens and sessions.

/// Lifetime of a token that Doorbell issues.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest lifetime that `doorbell token --for` accepts.
pub const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// Clocks of two machines may differ by so much when `exp` and `nbf` are judged.
pub const TOKEN_LEEWAY: Duration = Duration::from_secs(30);
/// Issuers, or audiences, or sets of public keys that may be configured: each token is compared with all of them.
pub const TOKEN_ISSUERS: usize = 16;
/// Keys of one issuer. Providers have two to six; a token without a `kid` is tried with each.
pub const JWKS_KEYS: usize = 32;
/// Longest document of public keys: 32 keys of 8,192 bits with their certificates.
pub const JWKS_BYTES: usize = 256 * 1024;
/// Shortest and longest modulus of an RSA key: shorter ones are broken (RFC 7518, section 3.3), longer ones cost too much.
pub const RSA_BITS_MIN: usize = 2_048;
pub const RSA_BITS_MAX: usize = 8_192;
/// An issuer's keys are looked at again after as long as its answer says (`max-age`), within these bounds: a key that was
/// taken back counts for a day at most, and an answer that says nothing is good for an hour.
pub const JWKS_KEPT_MIN: Duration = Duration::from_secs(5 * 60);
pub const JWKS_KEPT: Duration = Duration::from_secs(60 * 60);
pub const JWKS_KEPT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Between two questions that tokens with unknown keys cause: who makes such tokens up cannot flood the issuer.
pub const JWKS_ASK_PAUSE: Duration = Duration::from_secs(10);
/// Between two warnings that somebody names clients and is no trusted proxy: who sends such a header hides nobody's warning for
/// good, and fills no log.
pub const PROXY_WARNING_PAUSE: Duration = Duration::from_secs(60 * 60);
/// Between two tries while the issuer does not answer, at first and at most.
pub const JWKS_RETRY_MIN: Duration = Duration::from_secs(1);
pub const JWKS_RETRY_MAX: Duration = Duration::from_secs(60);
/// Connecting to an issuer, and the whole of a question: somebody's sign-in waits for it.
pub const JWKS_CONNECT_TIME: Duration = Duration::from_secs(2);
pub const JWKS_ASK_TIME: Duration = Duration::from_secs(5);
/// Keys of the host application's servers; a request's key is compared with all of them.
pub const API_KEYS: usize = 100;
/// Longest file of such keys.
pub const API_KEYS_FILE_BYTES: u64 = 64 * 1024;
/// How often it is looked at.
pub const API_KEYS_LOOK: Duration = Duration::from_secs(2);
/// A shared secret shorter than this can be guessed offline from one token (RFC 7518, section 3.2): start warns.
pub const SECRET_BYTES_ADVISED: usize = 32;
/// Longest session of NextAuth or Auth.js, its pieces put together: 16 pieces as those packages cut them.
pub const SESSION_BYTES: usize = 64_000;
/// Most pieces of a session cookie. Browsers keep 50 or more cookies of a site, and Node refuses headers over 16 KiB.
pub const SESSION_PIECES: usize = 20;
/// Whole session cookies of one name that are tried: a site may have set it for two domains and two paths.
pub const SESSION_TWINS: usize = 4;
/// Names of session cookies that may be configured; each is a key to derive for each secret.
pub const SESSION_NAMES: usize = 8;
/// Longest name of a cookie in the configuration.
pub const COOKIE_NAME_BYTES: usize = 128;
/// Longest name of a claim in the configuration.
pub const CLAIM_NAME_BYTES: usize = 64;
/// A site's word on who is signed in holds so long: who signs out there is let in here no longer than that.
pub const SESSION_ANSWER_KEPT: Duration = Duration::from_secs(60);
/// Its refusal, or its silence: whoever sends one cookie again and again causes one question in this time.
pub const SESSION_REFUSAL_KEPT: Duration = Duration::from_secs(5);
/// Answers of the site that are kept, of some hundred bytes each.
pub const SESSION_ANSWERS: usize = 20_000;
/// Questions that the site has at once; pages of Next.js answer some hundreds a second.
pub const SESSION_ASKS_AT_ONCE: usize = 64;
/// Questions that wait for their turn, each a request here; more are refused at once.
pub const SESSION_ASKS_WAITING: usize = 4_096;
/// The whole of a question, waiting included: a browser waits for it.
pub const SESSION_ASK_TIME: Duration = Duration::from_secs(5);
/// Connecting to the site.
pub const SESSION_CONNECT_TIME: Duration = Duration::from_secs(2);
/// Longest answer of the site: far above what a session holds, so only a fault reaches it.
pub const SESSION_ANSWER_BYTES: usize = 64 * 1024;
/// Bytes of a secret that Doorbell makes for itself.
pub const SECRET_BYTES_MADE: usize = 32;
/// How long a lost connection may come back into its rooms, unless `DOORBELL_RECOVERY_WINDOW` says otherwise.
pub const RECOVERY_WINDOW: Duration = Duration::from_secs(2 * 60);
/// Longest `DOORBELL_RECOVERY_WINDOW`.
pub const RECOVERY_WINDOW_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Beyond the window, for which what happened is remembered: the longest that a dead connection goes unnoticed
/// (heartbeat and waiting pushes), the pause between two signs of a node's life, and some more.
pub const RECOVERY_MARGIN: Duration = Duration::from_secs(2 * 60);
/// What a client has got for certain: everything that was pushed so long before its connection ended. A dead one is
/// noticed by then.
pub const SURELY_RECEIVED: Duration = Duration::from_secs(70);
/// Facts that a node remembers, to know what a client missed: at some 70 bytes each, 35 MB. At 1,000 a second they reach
/// back 8 minutes.
pub const RECENT_FACTS: usize = 500_000;
/// Most news that are replayed to one client; who missed more has to load its pages anew.
pub const REPLAYED_NEWS: usize = 5_000;
/// Sessions that begin or go on at the same time: a crowd that comes at once is served in turns, and what is live goes on.
pub const ARRIVALS_AT_ONCE: usize = 128;
/// The journal is looked at so often for what no hint has told of: the longest that news wait without a bus.
pub const JOURNAL_SWEEP: Duration = Duration::from_secs(2);
/// Notes read from the journal at a time, of each slot.
pub const JOURNAL_PAGE: usize = 2_000;

// Files.

/// Largest image or file, unless `DOORBELL_MAX_IMAGE` says otherwise.
pub const IMAGE_BYTES: u64 = 10 * 1024 * 1024;
/// Largest video, unless `DOORBELL_MAX_VIDEO` says otherwise.
pub const VIDEO_BYTES: u64 = 100 * 1024 * 1024;
/// Largest value of the two settings: one upload must not fill a disk.
pub const UPLOAD_BYTES_HIGHEST: u64 = 10 * 1024 * 1024 * 1024;
/// Bytes of files that one person may have here, unless `DOORBELL_MEDIA_QUOTA` says otherwise: 50 of the largest videos.
pub const MEDIA_QUOTA_BYTES: u64 = 5 * 1024 * 1024 * 1024;
/// Files that are sent again with their message may be over that for the moment in which they are compared: ten of the largest
/// videos. So much a person may have on the disk beyond it, and no more.
pub const REPEATED_FILES_BYTES: u64 = 10 * VIDEO_BYTES;
/// Files of one message: what a phone's picker offers at a time.
pub const MESSAGE_ATTACHMENTS: usize = 10;
/// Digits and letters of an attachment's id: 128 bits.
pub const ATTACHMENT_ID_CHARS: usize = 26;
/// A link to a file works for longer than this and at most twice as long: a page that is open for half a day shows its
/// pictures, and browsers keep what they have loaded meanwhile.
pub const LINK_PERIOD: Duration = Duration::from_secs(6 * 60 * 60);
/// Largest size that is believed of a file elsewhere: above it JavaScript has no whole numbers.
pub const TOLD_SIZE_MAX: u64 = (1 << 53) - 1;
/// Uploads in one page of those that no message names.
pub const ABANDONED_PAGE: usize = 500;
/// Parts of a form: far more than any contract has fields.
pub const FORM_PARTS: usize = 100;
/// What a form may have beside the bytes of one file: its headers, boundaries and texts.
pub const FORM_FRAME_BYTES: u64 = 64 * 1024;
/// What a form's reader may take in without finding a part's end or some of its bytes: above the longest header.
pub const FORM_HELD_BYTES: usize = 128 * 1024;
/// Uploads at once, in all: each holds some 100 KiB. More wait for a place ...
pub const UPLOADS_AT_ONCE: usize = 128;
/// ... and of one person: more than the six connections that a browser has to one server.
pub const UPLOADS_PER_USER: usize = 8;
/// Uploads that are judged and stored at once, in all: each may hold 5 MiB for a bucket and 2 MB of images made of it ...
pub const UPLOADS_KEPT_AT_ONCE: usize = 16;
/// ... and of one person.
pub const UPLOADS_KEPT_PER_USER: usize = 4;
/// An upload that has waited so long for a place is refused: its client has a clock as well.
pub const UPLOAD_PLACE_TIME: Duration = Duration::from_secs(30);
/// An upload of which nothing came for so long is given up.
pub const UPLOAD_IDLE_TIME: Duration = Duration::from_secs(30);
/// An upload must come at this speed (bytes a second), a tenth of a poor phone line, once it has been waited for
/// as long as `UPLOAD_PATIENCE`: who drips holds a place.
pub const UPLOAD_SLOWEST_BYTES: u64 = 4 * 1024;
pub const UPLOAD_PATIENCE: Duration = Duration::from_secs(60);
/// While all places are taken, an upload below this speed (bytes a second) may have to give its place to somebody who has
/// fewer: whoever would hold them all has to send 8 MiB a second ...
pub const UPLOAD_GIVES_WAY_BYTES: u64 = 64 * 1024;
/// ... its speed is that of the last stretch of this length in which it was waited for ...
pub const UPLOAD_SPEED_TIME: Duration = Duration::from_secs(10);
/// ... and whoever waits for a place looks again so often.
pub const UPLOAD_PLACE_LOOK: Duration = Duration::from_secs(1);
/// Free space that files leave on a disk, so that messages can be stored when files cannot: minutes of sends at full
/// speed, an hour at a usual one ...
pub const FREE_SPACE_BYTES: u64 = 64 * 1024 * 1024;
/// ... and on a small disk this part of it.
pub const FREE_SPACE_SHARE: u64 = 10;
/// Files that no message names are kept for so long: a draft may wait for its sender overnight.
pub const UNSENT_FILE_TIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Uploads that may go on later are kept for so long after their beginning.
pub const RESUMABLE_TIME: Duration = UNSENT_FILE_TIME;
/// Unfinished ones of one person, and of all on one node: each is two small files and a line in memory.
pub const RESUMABLES_PER_USER: usize = 50;
pub const RESUMABLES: usize = 10_000;
/// Longest `Upload-Metadata`, which is kept as it is.
pub const RESUMABLE_METADATA_BYTES: usize = 4 * 1024;
/// They are looked for so often, and at the start.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(60 * 60);

// Rates.

/// So many in so long, and so many at once after a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub count: u32,
    pub per: Duration,
    /// Never below 1.
    pub burst: u32,
}

impl Rate {
    pub const fn new(count: u32, per: Duration, burst: u32) -> Self {
        Rate { count, per, burst }
    }
}

/// Largest count and burst of a rate: what is faster is meant to be `off`.
pub const RATE_HIGHEST: u32 = 1_000_000;

/// The rate of each kind of thing that a user (before sign-in: an address) may do. `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Messages and comments: faster than anyone types, with room for an outbox that is sent after a tunnel.
    pub sends: Option<Rate>,
    /// Files.
    pub uploads: Option<Rate>,
    /// New conversations: the rate of a person who looks for a flat, not of one who advertises.
    pub conversations: Option<Rate>,
    /// New connections: a browser that restores fifty tabs.
    pub connections: Option<Rate>,
    /// All other requests: a page that loads an inbox and its histories at once.
    pub requests: Option<Rate>,
    /// By address, before anybody has signed in: handshakes of Socket.IO. A university behind one address comes back after
    /// a restart; at 50 a second a flood of them takes a two-hundredth of a core.
    pub handshakes: Option<Rate>,
    /// By address: credentials that are none. Nobody mistypes a token, so they are a fault of a deployment or guesses.
    pub failures: Option<Rate>,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

impl RateLimits {
    /// Nothing is limited.
    pub const OFF: RateLimits = RateLimits {
        sends: None,
        uploads: None,
        conversations: None,
        connections: None,
        requests: None,
        handshakes: None,
        failures: None,
    };
}

impl Default for RateLimits {
    fn default() -> Self {
        RateLimits {
            sends: Some(Rate::new(20, SECOND, 60)),
            uploads: Some(Rate::new(30, MINUTE, 30)),
            conversations: Some(Rate::new(60, HOUR, 60)),
            connections: Some(Rate::new(10, SECOND, 50)),
            requests: Some(Rate::new(50, SECOND, 200)),
            handshakes: Some(Rate::new(50, SECOND, 1_000)),
            failures: Some(Rate::new(60, MINUTE, 100)),
        }
    }
}
