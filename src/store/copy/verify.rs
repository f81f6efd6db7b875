//! Reading the copy back and comparing it with its source, row by row, in the order of the keys.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::{
    CopyError, Progress, Source, Step, Verified,
    row::{Row, RowDigest, Value},
    tables::Table,
};
use crate::store::{
    postgres::{import::Import, text::ESCAPE},
    sqlite::export::ExportError,
};

/// Rows that are read back at a time: with the longest messages, 40 MB.
const PAGE_ROWS: usize = 2_000;
/// Rows between two words about the progress.
const TOLD_EVERY: u64 = 1_000;

pub(super) async fn table(
    source: &Source,
    import: &mut Import,
    table: &'static Table,
    progress: &mut dyn Progress,
) -> Result<Verified, CopyError> {
    let database = import.database().to_owned();
    let rows = source.ask(|export| export.count(table)).await?;
    progress.begin(Step::Verifying, table.sqlite, rows, 0);
    let mut there = Side::new(table);
    let mut here = Side::new(table);
    let mut batches = source.batches(table, None);
    let mut pages = Pages {
        import,
        table,
        last: None,
        is_over: false,
    };
    let mut check = Check {
        database,
        table,
        digest: RowDigest::default(),
        rows: 0,
    };
    loop {
        let (ours, theirs) = (
            there.next(async || from_source(&mut batches).await).await?,
            here.next(async || pages.next().await).await?,
        );
        if !check.pair(ours, theirs)? {
            break;
        }
        if check.rows.is_multiple_of(TOLD_EVERY) {
            progress.advance(TOLD_EVERY);
        }
    }
    let (there, here) = (there.rest(), here.rest());
    let mut here = here.into_iter();
    for ours in there {
        check.pair(Some(ours), here.next())?;
    }
    check.pair(None, here.next())?;
    progress.advance(check.rows % TOLD_EVERY);
    progress.end();
    Ok(Verified {
        table: table.sqlite,
        rows: check.rows,
        digest: check.digest.finish(),
    })
}

async fn from_source(batches: &mut mpsc::Receiver<Result<Vec<Row>, ExportError>>) -> Result<Vec<Row>, CopyError> {
    Ok(batches.recv().await.transpose()?.unwrap_or_default())
}

/// The rows of one engine. Those whose key PostgreSQL writes in other characters, and therefore sorts elsewhere, are put
/// aside and come last.
struct Side {
    table: &'static Table,
    waiting: VecDeque<Row>,
    aside: Vec<Row>,
}

impl Side {
    fn new(table: &'static Table) -> Self {
        Side {
            table,
            waiting: VecDeque::new(),
            aside: Vec::new(),
        }
    }

    /// The next row; `more` fetches rows, and none at the end.
    async fn next(
        &mut self,
        mut more: impl AsyncFnMut() -> Result<Vec<Row>, CopyError>,
    ) -> Result<Option<Row>, CopyError> {
        loop {
            while let Some(row) = self.waiting.pop_front() {
                match is_rewritten(&row[..self.table.key]) {
                    false => return Ok(Some(row)),
                    true => self.aside.push(row),
                }
            }
            self.waiting = more().await?.into();
            if self.waiting.is_empty() {
                return Ok(None);
            }
        }
    }

    fn rest(mut self) -> Vec<Row> {
        self.aside.sort();
        self.aside
    }
}

/// See `src/store/postgres/text.rs`.
fn is_rewritten(key: &[Value]) -> bool {
    key.iter()
        .any(|value| matches!(value, Value::Text(text) if text.contains(['\0', ESCAPE])))
}

/// The copy, page by page.
struct Pages<'a> {
    import: &'a mut Import,
    table: &'static Table,
    last: Option<Row>,
    is_over: bool,
}

impl Pages<'_> {
    async fn next(&mut self) -> Result<Vec<Row>, CopyError> {
        if self.is_over {
            return Ok(Vec::new());
        }
        let page = self.import.page(self.table, self.last.as_deref(), PAGE_ROWS).await?;
        self.is_over = page.len() < PAGE_ROWS;
        self.last = page.last().map(|row| row[..self.table.key].to_vec());
        Ok(page)
    }
}

/// What is compared, and what was found equal.
struct Check {
    database: String,
    table: &'static Table,
    digest: RowDigest,
    rows: u64,
}

impl Check {
    /// `false`: both have ended.
    fn pair(&mut self, ours: Option<Row>, theirs: Option<Row>) -> Result<bool, CopyError> {
        let length = self.table.key;
        let (key, how) = match (ours, theirs) {
            (None, None) => return Ok(false),
            (Some(ours), Some(theirs)) if ours == theirs => {
                self.digest.add(&theirs);
                self.rows += 1;
                return Ok(true);
            }
            (Some(ours), Some(theirs)) if ours[..length] == theirs[..length] => (ours, "has other values"),
            (Some(ours), Some(theirs)) if ours[..length] > theirs[..length] => (theirs, "should not be there"),
            (Some(ours), _) => (ours, "is missing"),
            (None, Some(theirs)) => (theirs, "should not be there"),
        };
        Err(CopyError::Different {
            database: self.database.clone(),
            table: self.table.postgres,
            key: shown(self.table, &key[..length]),
            how,
        })
    }
}

/// `conversation 5, seq 7`
fn shown(table: &Table, key: &[Value]) -> String {
    let parts = table.columns.iter().zip(key).map(|(column, value)| match value {
        Value::Integer(value) => format!("{} {value}", column.postgres),
        Value::Text(text) => format!("{} {text:?}", column.postgres),
        other => format!("{} {other:?}", column.postgres),
    });
    parts.collect::<Vec<_>>().join(", ")
}
