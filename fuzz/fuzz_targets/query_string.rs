//! Any text as the query of a request, and what a page and a cursor make of it.
#![no_main]

use doorbell::{
    chat::page::{PageQuery, next_cursor, next_inbox_cursor},
    contracts::query,
    model::limits,
    store::Window,
};
use libfuzzer_sys::fuzz_target;

const DEFAULT: usize = 50;

fn judge(page: &PageQuery) {
    if let Ok(part) = page.seq_page(DEFAULT) {
        let (limit, seq) = match part.window {
            Window::Newest { limit } => (limit, None),
            Window::Before { seq, limit } | Window::After { seq, limit } => (limit, Some(seq)),
        };
        assert!((1..=limits::HISTORY_PAGE_MAX).contains(&limit));
        assert!(seq.is_none_or(|seq| seq >= 0));
        let waits_after = matches!(part.window, Window::After { .. });
        assert!(
            part.wait
                .is_none_or(|wait| waits_after && wait <= limits::LONG_POLL_TIME)
        );
        // The cursor that a page hands out leads on from where it ended, in its direction.
        if let Some(cursor) = next_cursor(part.window, seq, seq, true) {
            let next = PageQuery {
                cursor: Some(cursor),
                limit: Some(limit.to_string()),
                ..PageQuery::default()
            };
            assert_eq!(next.seq_page(DEFAULT).map(|next| next.window), Ok(part.window));
        }
    }
    if let Ok(part) = page.inbox_page(DEFAULT) {
        assert!((1..=limits::HISTORY_PAGE_MAX).contains(&part.limit));
        if let Some(cursor) = part.cursor {
            let next = PageQuery {
                cursor: Some(next_inbox_cursor(cursor)),
                ..PageQuery::default()
            };
            assert_eq!(next.inbox_page(DEFAULT).map(|next| next.cursor), Ok(Some(cursor)));
        }
    }
}

fuzz_target!(|data: (&str, &str)| {
    let (text, decoded_cursor) = data;
    if let Ok(query) = query::parse(text) {
        let _ = (query.boolean("unread"), query.required("conversationId"));
        judge(&query.page());
    }
    // A cursor is base64, into which chance seldom finds its way.
    let cursor = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, decoded_cursor);
    judge(&PageQuery {
        cursor: Some(cursor),
        ..PageQuery::default()
    });
});
