//! Sessions that only the site can read: it is asked at `/api/auth/session` with the cookie, as its own pages ask it.
//!
//! That is so for sessions in a database, whose cookie is a random text. Whatever is no clear answer lets nobody in. Answers
//! are kept for a moment, those under way are shared, and their number is bounded: who floods Doorbell with cookies does
//! not flood the site.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use http::{HeaderName, HeaderValue, header};
use quick_cache::sync::Cache;
use reqwest::Client;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::{
    super::{
        outbound::{self, Unanswered},
        token::{Claims, TokenFault},
    },
    claims::{self, SiteVerdict},
};
use crate::model::limits;

/// Where the site answers, unless its address names the route itself.
const ROUTE: &str = "/api/auth/session";
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What is known of a cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    SignedIn(Arc<Claims>),
    SignedOut,
    Unfit(TokenFault),
    /// No clear answer. Ends "Nobody can be signed in now: ...".
    Failed(&'static str),
}

impl Answer {
    /// How long it holds. What refuses is kept for as long as a flood needs to be a trickle at the site.
    fn kept_for(&self) -> Duration {
        match self {
            Answer::SignedIn(_) => limits::SESSION_ANSWER_KEPT,
            _ => limits::SESSION_REFUSAL_KEPT,
        }
    }
}

#[derive(Clone)]
struct Kept {
    answer: Shared<BoxFuture<'static, Answer>>,
    asked_at_ms: i64,
}

impl Kept {
    fn holds(&self, now_ms: i64) -> bool {
        let Some(answer) = self.answer.peek() else {
            return true;
        };
        // Below zero too: somebody else's clock reading may be the later one by a moment, and a clock that was put back by
        // hours tells nothing of the answer's age.
        let age_ms = now_ms.abs_diff(self.asked_at_ms);
        u128::from(age_ms) < answer.kept_for().as_millis()
    }
}

/// The site that is asked.
pub struct Site {
    asking: Arc<Asking>,
    /// By a digest of the cookie: a session in memory is one that cannot be read out of it.
    answers: Cache<[u8; 32], Kept>,
    /// Who asks next: so that a cookie that many bring at once is asked for once.
    turn: Mutex<()>,
}

/// What a question needs, which goes on when the client that caused it has gone.
struct Asking {
    client: Client,
    address: String,
    user_id: String,
    /// The whole of a question.
    ask_time: Duration,
    /// Questions that are asked or wait.
    places: Semaphore,
    /// Questions that the site has at once.
    connections: Semaphore,
    /// The last one was answered: a change is told in the log, and not every failure.
    is_answering: AtomicBool,
}

impl Site {
    /// `address`: of the site, or of the route itself where that ends in `/session`. `user_id`: the member of the answer's
    /// `user` that names the person.
    pub fn new(address: &str, user_id: &str) -> Result<Self, String> {
        Self::with_patience(address, user_id, limits::SESSION_ASK_TIME)
    }

    pub(super) fn with_patience(address: &str, user_id: &str, ask_time: Duration) -> Result<Self, String> {
        let address = match address.ends_with("/session") {
            true => address.to_owned(),
            false => format!("{address}{ROUTE}"),
        };
        let client = outbound::client(&address, limits::SESSION_CONNECT_TIME, ask_time).map_err(|error| {
            format!(
                "The site at DOORBELL_SESSION_URL cannot be asked ({error}); install the system's root certificates."
            )
        })?;
        Ok(Site {
            asking: Arc::new(Asking {
                client,
                address,
                user_id: user_id.to_owned(),
                ask_time,
                places: Semaphore::new(limits::SESSION_ASKS_WAITING),
                connections: Semaphore::new(limits::SESSION_ASKS_AT_ONCE),
                is_answering: AtomicBool::new(true),
            }),
            answers: Cache::new(limits::SESSION_ANSWERS),
            turn: Mutex::new(()),
        })
    }

    pub fn address(&self) -> &str {
        &self.asking.address
    }

    /// Is there an answer to this cookie, or one under way? It is asked as with [`ask`](Self::ask).
    pub fn knows(&self, cookie: &str, now_ms: i64) -> bool {
        let digest: [u8; 32] = Sha256::digest(cookie).into();
        self.answers.get(&digest).is_some_and(|kept| kept.holds(now_ms))
    }

    /// `cookie`: a value of the `Cookie` header that holds the session and nothing else.
    pub async fn ask(&self, cookie: &str, now_ms: i64) -> Answer {
        let kept = self.kept(cookie, now_ms);
        let answer = kept.answer.clone().await;
        match kept.holds(now_ms) {
            true => answer,
            // Whoever had asked went away before the answer came, so nobody has seen yet how old it is.
            false => self.kept(cookie, now_ms).answer.await,
        }
    }

    fn kept(&self, cookie: &str, now_ms: i64) -> Kept {
        let digest: [u8; 32] = Sha256::digest(cookie).into();
        let known = || self.answers.get(&digest).filter(|kept| kept.holds(now_ms));
        if let Some(kept) = known() {
            return kept;
        }
        let _one_at_a_time = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = known() {
            return kept;
        }
        let asking = Arc::clone(&self.asking);
        let cookie = cookie.to_owned();
        let question = tokio::spawn(async move { asking.ask(cookie, now_ms).await });
        let kept = Kept {
            answer: async { question.await.unwrap_or(Answer::Failed("its site could not be asked")) }
                .boxed()
                .shared(),
            asked_at_ms: now_ms,
        };
        self.answers.insert(digest, kept.clone());
        kept
    }
}

impl Asking {
    async fn ask(&self, cookie: String, now_ms: i64) -> Answer {
        let Ok(_place) = self.places.try_acquire() else {
            return Answer::Failed("its site is asked by too many at once");
        };
        let answered = tokio::time::timeout(self.ask_time, async {
            let _connection = self.connections.acquire().await;
            self.request(&cookie).await
        });
        let answer = match answered.await {
            Ok(Ok(body)) => match claims::of_answer(&body, &self.user_id, now_ms) {
                SiteVerdict::SignedIn(claims) => Answer::SignedIn(Arc::new(claims)),
                SiteVerdict::SignedOut => Answer::SignedOut,
                SiteVerdict::Unfit(fault) => Answer::Unfit(fault),
                SiteVerdict::Malformed => {
                    Answer::Failed("its site gives an answer that is not one of NextAuth or Auth.js")
                }
            },
            Ok(Err(reason)) => Answer::Failed(reason),
            Err(_) => Answer::Failed("its site does not answer in time"),
        };
        self.tell(&answer);
        answer
    }

    async fn request(&self, cookie: &str) -> Result<Vec<u8>, &'static str> {
        let mut value = HeaderValue::from_str(cookie).map_err(|_| "its cookie cannot be sent to the site")?;
        value.set_sensitive(true);
        let mut request = self
            .client
            .get(&self.address)
            .header(header::COOKIE, value)
            .header(header::ACCEPT, "application/json");
        if cookie.starts_with("__Secure-") || cookie.starts_with("__Host-") {
            // Browsers keep such a cookie from HTTPS alone. Auth.js must know that it was asked so, or it looks for a cookie
            // of another name; behind the site's own TLS it could not tell.
            request = request.header(FORWARDED_PROTO, "https");
        }
        let answered = async {
            let response = outbound::ok(request.send().await)?;
            outbound::body(response, limits::SESSION_ANSWER_BYTES).await
        };
        answered.await.map_err(|fault| match fault {
            Unanswered::Late => "its site does not answer in time",
            Unanswered::Unreachable => "its site cannot be reached",
            Unanswered::Redirection => "its site answers with a redirection",
            Unanswered::Status => "its site answers with an error",
            Unanswered::BrokenOff => "its site breaks its answer off",
            Unanswered::TooLong => "its site gives an answer that is too long",
        })
    }

    fn tell(&self, answer: &Answer) {
        let site = &self.address;
        match answer {
            Answer::Failed(reason) => {
                if self.is_answering.swap(false, Ordering::Relaxed) {
                    tracing::warn!(%site, reason, "the site does not say who is signed in; until it does, its cookies let nobody in");
                }
            }
            _ => {
                if !self.is_answering.swap(true, Ordering::Relaxed) {
                    tracing::info!(%site, "the site says again who is signed in");
                }
            }
        }
    }
}
