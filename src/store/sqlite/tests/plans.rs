//! No statement walks over a whole table or index, whatever its size.

use rusqlite::Connection;

use super::super::migrate;

/// How SQLite would run `sql`, a line a step.
pub(in super::super) fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
    let steps: rusqlite::Result<Vec<_>> = statement.raw_query().mapped(|row| row.get::<_, String>(3)).collect();
    steps.unwrap_or_else(|error| panic!("{error}: {sql}"))
}

/// Run for each statement that any test runs, since all of them come this way.
pub(in super::super) fn assert_no_scan(connection: &Connection, sql: &str) {
    for step in plan(connection, sql) {
        let walks = step.starts_with("SCAN") && step != "SCAN CONSTANT ROW";
        assert!(!walks, "{step} in {sql}");
    }
}

pub(in super::super) fn empty_database() -> Connection {
    let mut connection = Connection::open_in_memory().expect("a database");
    migrate::run("in memory".as_ref(), &mut connection).expect("a schema");
    connection
}

#[test]
fn a_statement_that_walks_over_a_table_is_noticed() {
    let database = empty_database();
    let walk = || assert_no_scan(&database, "SELECT 1 FROM message WHERE sender = ?1");
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(walk)).is_err());
}

#[test]
fn the_statements_of_large_tables_go_by_the_clustered_keys() {
    let database = empty_database();
    let history = plan(&database, super::super::history::DESCENDING);
    assert_eq!(
        history,
        ["SEARCH message USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"]
    );
    let inbox = plan(&database, super::super::inbox::PAGE);
    assert_eq!(
        inbox,
        [
            "SEARCH p USING PRIMARY KEY (user=?)",
            "SEARCH c USING INTEGER PRIMARY KEY (rowid=?)",
            "USE TEMP B-TREE FOR ORDER BY",
        ]
    );
    let members = plan(&database, super::super::conversations::MEMBERS);
    assert_eq!(
        members,
        ["SEARCH participant USING INDEX participant_by_standing (conversation=?)"]
    );
}
