//! What a socket hears, in which order, around its joins and before it has its way out.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use super::*;

#[derive(Default, Clone)]
struct Recorder(Arc<Mutex<Vec<Frame>>>);

impl Outlet for Recorder {
    fn push(&self, frame: &Frame) {
        self.0.lock().unwrap().push(frame.clone());
    }
    fn waiting(&self) -> usize {
        0
    }
    fn answer(&self, frame: Frame) {
        self.0.lock().unwrap().push(frame);
    }
    fn announce(&self, _: Farewell) {}
    fn close(&self, _: Farewell) {}
}

const HERE: ConversationKey = ConversationKey(1);
const ELSEWHERE: ConversationKey = ConversationKey(2);

fn socket() -> (LiveSocket, Recorder) {
    let recorder = Recorder::default();
    let socket = new();
    socket.attach(Box::new(recorder.clone()));
    (socket, recorder)
}

fn new() -> LiveSocket {
    let who = Who {
        issued_at: None,
        number: 1,
        user: UserKey(1),
        socket_id: "s".into(),
        origin: Origin(1),
        session: None,
    };
    LiveSocket::new(who, None)
}

fn push(socket: &LiveSocket, conversation: ConversationKey, seq: Seq) -> Pushed {
    let news = News {
        audience: Audience::Joined,
        conversation,
        seq: Some(seq),
        position: Position { slot: 0, number: seq },
    };
    socket.push_fact(news, &frame(seq))
}

fn frame(seq: Seq) -> Frame {
    Frame::event("message", &seq)
}

#[test]
fn messages_that_come_during_a_join_follow_the_history_and_repeat_nothing_of_it() {
    let (socket, recorder) = socket();
    let mut guard = socket.join_with_history(HERE);
    for seq in 4..=6 {
        push(&socket, HERE, seq);
    }
    socket.answer(Frame::event("history", &"up to 5"));
    guard.answered_up_to(5);
    drop(guard);
    let pushed = push(&socket, HERE, 7);
    assert_eq!(pushed, Pushed::Queued);
    assert_eq!(recorder.0.lock().unwrap().len(), 3, "the history, 6 and 7");
}

#[test]
fn a_message_of_the_history_that_is_published_late_is_not_pushed_again() {
    let (socket, recorder) = socket();
    let mut guard = socket.join_with_history(HERE);
    socket.answer(Frame::event("history", &"up to 5"));
    guard.answered_up_to(5);
    drop(guard);
    push(&socket, HERE, 5);
    push(&socket, HERE, 6);
    assert_eq!(recorder.0.lock().unwrap().len(), 2, "the history and 6");
}

#[test]
fn facts_leave_in_their_order_also_around_a_join() {
    let (socket, recorder) = socket();
    socket.join(ELSEWHERE, 0);
    let guard = socket.join_with_history(HERE);
    push(&socket, HERE, 1);
    push(&socket, ELSEWHERE, 2);
    assert_eq!(
        recorder.0.lock().unwrap().len(),
        0,
        "or the offset of 2 would go before that of 1"
    );
    drop(guard);
    assert_eq!(*recorder.0.lock().unwrap(), [frame(1), frame(2)]);
}

#[test]
fn what_comes_before_the_way_out_waits_for_it() {
    let recorder = Recorder::default();
    let socket = new();
    socket.put_back([(HERE, 1)], false);
    for seq in 1..=4 {
        push(&socket, HERE, seq);
    }
    socket.replayed_up_to([Position { slot: 0, number: 3 }].into_iter().collect());
    socket.attach(Box::new(recorder.clone()));
    assert_eq!(
        *recorder.0.lock().unwrap(),
        [frame(4)],
        "1 was in the history, 2 and 3 are replayed"
    );
    push(&socket, HERE, 3);
    assert_eq!(recorder.0.lock().unwrap().len(), 1, "also when it comes late");
}

#[test]
fn a_failed_join_loses_nothing_that_came_meanwhile() {
    let (socket, recorder) = socket();
    drop({
        let guard = socket.join_with_history(HERE);
        push(&socket, HERE, 1);
        guard
    });
    assert_eq!(recorder.0.lock().unwrap().len(), 1);
}

#[test]
fn what_reaches_nobody_is_said_to_be_so() {
    let (socket, recorder) = socket();
    let push = || push(&socket, HERE, 1);
    assert_eq!(push(), Pushed::Not, "it has not joined");
    socket.join(HERE, 0);
    assert_eq!(push(), Pushed::Queued);
    socket.detach();
    assert_eq!(push(), Pushed::Not, "it has gone");
    assert_eq!(recorder.0.lock().unwrap().len(), 1);
}

#[test]
fn only_the_first_telling_counts() {
    let (socket, _) = socket();
    assert_eq!(socket.spoken(), Contract::TenantChat);
    assert!(socket.tell(Contract::MediaChat));
    assert!(!socket.tell(Contract::Conversations));
    assert_eq!(socket.told(), Some(Contract::MediaChat));
}

/// A way out that can only be closed.
#[derive(Clone, Default)]
struct Closed(Arc<AtomicBool>);

impl Outlet for Closed {
    fn push(&self, _: &Frame) {}
    fn waiting(&self) -> usize {
        0
    }
    fn answer(&self, _: Frame) {}
    fn announce(&self, _: Farewell) {}
    fn close(&self, _: Farewell) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn what_is_to_be_closed_before_it_has_its_way_out_is_closed_when_it_gets_it() {
    for is_given_up in [true, false] {
        let (socket, outlet) = (new(), Closed::default());
        if is_given_up {
            socket.close(Farewell::Behind);
        }
        socket.attach(Box::new(outlet.clone()));
        assert_eq!(outlet.0.load(SeqCst), is_given_up);
        socket.close(Farewell::Behind);
        assert!(outlet.0.load(SeqCst));
    }
}
