//! Sending a message.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use sha2::{Digest, Sha256};

use super::{
    Chat, People,
    attachment::{FileReference, hash_files},
    cache::{closed, left},
};
use crate::{
    model::{
        Code, Conversation, ConversationKey, Error, Message, MessageId, MessageKind, Origin, Result, Seq, UserId,
        UserKey, content, limits,
    },
    store::{Appended, Draft, DraftAttachment, Pending},
};

/// A message as somebody wants to send it, nothing checked yet.
#[derive(Debug, Clone)]
pub struct SendRequest {
    /// The conversation, or
    pub conversation: Option<String>,
    /// the other person: with a conversation they must be in it, without one they name it.
    pub person: Option<String>,
    pub content: String,
    /// What the sender says that it is; that of its first file counts.
    pub kind: MessageKind,
    pub files: Vec<FileReference>,
    pub client_message_id: Option<String>,
    /// Public id of the message that this one answers.
    pub reply_to: Option<String>,
    pub origin: Option<Origin>,
}

/// A message that waits for its commit, in the order in which it was handed in.
pub struct Submitted {
    conversation: Arc<Conversation>,
    sender: UserKey,
    /// It took one of the sender's rate, which a repeat gets back.
    counted: bool,
    _flight: Option<Flight>,
    pending: Pending<Appended>,
}

/// The `clientMessageId`s that are on their way into the store: a repeat that races its first is a repeat, too, and
/// repeats are never refused for their rate.
#[derive(Default, Clone)]
pub struct Sending(Arc<Mutex<HashMap<FlightKey, usize>>>);

/// Sender, `clientMessageId`, and where it goes: the id of a conversation or of a person.
type FlightKey = (UserKey, String, String);

struct Flight {
    sending: Sending,
    key: FlightKey,
    is_repeat: bool,
}

impl Sending {
    fn enter(&self, sender: UserKey, client_message_id: &str, target: &Target) -> Flight {
        let place = match target {
            Target::Conversation(conversation) => conversation.id.as_str(),
            Target::Person { id, .. } => id.as_str(),
        };
        let key = (sender, client_message_id.to_owned(), place.to_owned());
        let mut flights = self.lock();
        let count = flights.entry(key.clone()).or_insert(0);
        *count += 1;
        Flight {
            sending: self.clone(),
            key,
            is_repeat: *count > 1,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FlightKey, usize>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut flights = self.sending.lock();
        if let Some(count) = flights.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                flights.remove(&self.key);
            }
        }
    }
}

/// A message that is stored.
#[derive(Debug, Clone)]
pub struct Sent {
    pub conversation: Arc<Conversation>,
    pub message: Arc<Message>,
    /// It was there already: nothing was stored, nobody was told.
    pub repeated: bool,
    pub people: People,
}

impl Chat {
    /// Stores a message, durably when this returns.
    pub async fn send(&self, sender: UserKey, request: SendRequest) -> Result<Sent> {
        let submitted = self.submit(sender, request).await?;
        self.stored(submitted).await
    }

    /// Judges a message and hands it to the store, without waiting for its commit. Submissions of one caller that are
    /// made one after the other are stored in that order.
    pub async fn submit(&self, sender: UserKey, request: SendRequest) -> Result<Submitted> {
        self.judged(sender, request).await
    }

    /// Waits for the commit of a submitted message.
    pub async fn stored(&self, submitted: Submitted) -> Result<Sent> {
        let outcome = self.committed(submitted).await;
        if outcome.as_ref().is_ok_and(|sent| sent.repeated) {
            self.counters.count_repeat();
        }
        outcome
    }

    /// Counts a send that was refused. Contracts do, since some know of it before there is anything to submit.
    pub fn count_refused_send(&self, code: Code) {
        self.counters.count_refusal(code);
    }

    async fn judged(&self, sender: UserKey, request: SendRequest) -> Result<Submitted> {
        let target = self.target(sender, &request).await?;
        let client_message_id = request.client_message_id;
        if let Some(id) = &client_message_id {
            let characters = id.chars().count();
            if characters == 0 || characters > limits::CLIENT_MESSAGE_ID_CHARS {
                return Err(Error::invalid("clientMessageId must have 1 to 64 characters."));
            }
        }
        let content = match request.files.is_empty() {
            true => content::checked(&request.content, "content")?,
            false => content::checked_or_empty(&request.content, "content")?,
        };
        let named = self.named_files(sender, &request.files, request.kind).await?;
        let kind = match (named.kind, request.kind) {
            (Some(kind), _) => kind,
            (None, MessageKind::Text) => MessageKind::Text,
            (None, told) => {
                return Err(Error::invalid(format!(
                    "A message of type {} needs its file.",
                    told.as_str()
                )));
            }
        };
        let reply_to = match (&request.reply_to, &target) {
            (None, _) => None,
            (Some(id), Target::Conversation(conversation)) => Some(MessageId::parse(id)?.seq_in(&conversation.id)?),
            // The message goes to the most recent conversation, so that is where the one it answers must stand.
            (Some(id), Target::Person { among, .. }) => {
                let message = MessageId::parse(id)?;
                let conversation = among.first().ok_or_else(|| Error::not_found("message"))?;
                Some(message.seq_in(&conversation.id)?)
            }
        };
        let repeated = match &client_message_id {
            Some(id) => self.find_sent(sender, id, &target).await?,
            None => None,
        };
        let flight = client_message_id
            .as_ref()
            .map(|id| self.sending.enter(sender, id, &target));
        let counted = repeated.is_none() && !flight.as_ref().is_some_and(|flight| flight.is_repeat);
        if counted {
            self.rates.sends.take(sender)?;
        }
        let conversation = match (repeated, target) {
            (Some(conversation), _) | (None, Target::Conversation(conversation)) => conversation,
            (None, Target::Person { id, among }) => match among.into_iter().next() {
                Some(most_recent) => most_recent,
                None => self.open_direct(sender, &id).await?,
            },
        };
        let draft = Draft {
            conversation: conversation.key,
            sender,
            kind,
            digest: digest(kind, &content, reply_to, &named.attachments),
            content,
            attachments: named.attachments,
            client_message_id,
            reply_to,
            origin: request.origin,
        };
        Ok(Submitted {
            conversation,
            sender,
            counted,
            _flight: flight,
            pending: self.store.append(draft),
        })
    }

    async fn committed(&self, submitted: Submitted) -> Result<Sent> {
        let Submitted {
            conversation,
            sender,
            counted,
            pending,
            _flight,
        } = submitted;
        let (message, repeated) = match pending.await? {
            Appended::Stored(message) => {
                if !counted {
                    // It looked like a repeat, and its first was refused: then this is the message that counts.
                    let _ = self.rates.sends.take(sender);
                }
                (message, false)
            }
            Appended::Repeat(message) => {
                if counted {
                    self.rates.sends.give_back(sender);
                }
                (message, true)
            }
            Appended::Conflict => {
                return Err(Error::conflict(
                    "This clientMessageId was used before, for a message with other content.",
                ));
            }
            Appended::NotParticipant => return Err(Error::not_found("conversation")),
            Appended::Left => return Err(left()),
            Appended::Closed => return Err(closed()),
            Appended::NoSuchReply => return Err(Error::not_found("message")),
            // It was there a moment ago, and was given up since.
            Appended::NoSuchAttachment => {
                return Err(Error::invalid(
                    "A file of this message is no longer here; upload it again.",
                ));
            }
        };
        let people = self.people_of(&conversation, &[message.sender]).await?;
        Ok(Sent {
            conversation,
            message,
            repeated,
            people,
        })
    }

    /// Where a message goes. Judges what the sender may see, and makes nothing yet.
    async fn target(&self, sender: UserKey, request: &SendRequest) -> Result<Target> {
        match (&request.conversation, &request.person) {
            (Some(id), person) => {
                let conversation = self.conversation_seen_by(sender, id).await?;
                self.may_be_beside(&conversation, sender, person.as_deref()).await?;
                Ok(Target::Conversation(conversation))
            }
            (None, Some(person)) => {
                if self.user(sender).await?.id.as_str() == person {
                    return Err(Error::invalid("You cannot send a message to yourself."));
                }
                let id = UserId::parse(person)?;
                let mut among = Vec::new();
                if let Some(person) = self.reachable_user(&id).await? {
                    for key in self.store.one_to_ones(sender, person.key).await? {
                        among.push(self.conversation(key).await?);
                    }
                }
                Ok(Target::Person { id, among })
            }
            (None, None) => Err(Error::invalid("Name a conversation or a person to send to.")),
        }
    }

    /// A person named beside a conversation must be the other side of it, or in the group.
    pub(crate) async fn may_be_beside(
        &self,
        conversation: &Conversation,
        caller: UserKey,
        person: Option<&str>,
    ) -> Result<()> {
        let Some(person) = person else { return Ok(()) };
        match self.known_user(person).await? {
            Some(person) if person.key != caller && conversation.member(person.key).is_some() => Ok(()),
            _ => Err(Error::invalid(
                "The person named is not the other side of this conversation.",
            )),
        }
    }

    /// The conversation in which this message was stored before.
    ///
    /// With a conversation named, the store finds repeats by itself; asking first is for who is out of rate.
    async fn find_sent(&self, sender: UserKey, id: &str, target: &Target) -> Result<Option<Arc<Conversation>>> {
        let among: Vec<_> = match target {
            Target::Conversation(_) if self.rates.sends.has(sender) => return Ok(None),
            Target::Conversation(conversation) => vec![conversation.key],
            Target::Person { among, .. } => among.iter().map(|conversation| conversation.key).collect(),
        };
        self.find_among(sender, id, &among).await
    }

    /// The conversation in which a message was stored before that this sender calls as they call this one.
    pub(super) async fn place_of_first(
        &self,
        sender: UserKey,
        request: &SendRequest,
    ) -> Result<Option<Arc<Conversation>>> {
        let Some(id) = &request.client_message_id else {
            return Ok(None);
        };
        let among: Vec<_> = match self.target(sender, request).await? {
            Target::Conversation(conversation) => vec![conversation.key],
            Target::Person { among, .. } => among.iter().map(|conversation| conversation.key).collect(),
        };
        self.find_among(sender, id, &among).await
    }

    /// Was a message stored before that this sender calls as they call this one?
    pub async fn is_repeat(&self, sender: UserKey, request: &SendRequest) -> Result<bool> {
        Ok(self.place_of_first(sender, request).await?.is_some())
    }

    async fn find_among(
        &self,
        sender: UserKey,
        id: &str,
        among: &[ConversationKey],
    ) -> Result<Option<Arc<Conversation>>> {
        if among.is_empty() {
            return Ok(None);
        }
        match self.store.find_sent(sender, id, among).await? {
            Some(key) => self.conversation(key).await.map(Some),
            None => Ok(None),
        }
    }
}

enum Target {
    Conversation(Arc<Conversation>),
    /// The one-to-one conversations with the person, most recent activity first.
    Person {
        id: UserId,
        among: Vec<Arc<Conversation>>,
    },
}

/// Of everything that makes two drafts the same message.
fn digest(kind: MessageKind, content: &str, reply_to: Option<Seq>, attachments: &[DraftAttachment]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(kind.as_str());
    hash.update([0]);
    hash.update(reply_to.unwrap_or(0).to_be_bytes());
    hash.update(content);
    hash_files(&mut hash, attachments);
    let mut digest = [0; 16];
    digest.copy_from_slice(&hash.finalize()[..16]);
    digest
}
