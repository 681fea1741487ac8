//! Rows of a journal that somebody else wrote: they are read or refused one by one, and take nothing from the others.

use bytes::Bytes;
use hook_cli::filter::Filter;
use hook_cli::journal::{
    self, BodyKey, EventRow, Handled, Journal, Kind, NewAttempt, NewEvent, Order, Scope, State, Turn,
};
use hook_cli::subject;
use hook_proto::{EventHead, EventId, HandOver, Header};
use rusqlite::{Connection, params_from_iter};

use crate::input::Input;

const EVENT_COLUMNS: &str = "seq, id, mirror, origin, parent, project, relay, endpoint, received_at, size, \
    sha256, content_type, state, queued, target, provider, event_type, provider_event_id, verdict, last_status, \
    last_error, last_ms, attempts";
const ATTEMPT_COLUMNS: &str = "event, n, kind, target, owner, started_at, ended_at, request, status, error, detail, \
    ttfb_ms, ms, response, body, size, kept";
const CONTENT_COLUMNS: &str = "seq, head, body";
const OPEN_COLUMNS: &str = "event, n, kind, target, owner, started_at";
const PART_COLUMNS: &str = "id, part, data";
const ATTEMPT_PART_COLUMNS: &str = "event, n, part, data";
const SIGNATURE_COLUMNS: &str = "seq, signature";

/// Rows to write beside a good one.
pub fn holds(data: &[u8]) {
    thread_local!(static FILE: File = File::new());
    FILE.with(|file| {
        file.connection.execute_batch("BEGIN").expect("a transaction");
        check(file, data);
        file.connection.execute_batch("ROLLBACK").expect("nothing of it stays");
    });
}

struct File {
    connection: Connection,
    dir: tempfile::TempDir,
}

impl File {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("journal.db");
        drop(Journal::open(&path).expect("a journal"));
        Self { connection: Connection::open(path).expect("the same file"), dir }
    }
}

fn check(file: &File, data: &[u8]) {
    let connection = &file.connection;
    let good = event(&data[..data.len().min(64)]);
    let recorded = journal::record(connection, &good, Some(&attempt())).expect("a good row");
    assert_eq!(recorded.handled, Handled::New { attempt: Some(1) });
    let mut input = Input(data);
    for _ in 0..8 {
        if !input.is_empty() {
            write_row(connection, &mut input);
        }
    }
    for seq in 1..10 {
        read(connection, seq);
    }
    lists(connection, &good.endpoint);

    // The good row is what it was, known, and owed until its attempt ends.
    let row = EventRow::by_seq(connection, recorded.seq).expect("readable").expect("there");
    assert_eq!((&row.head, row.state, row.size), (&good.head, State::Owed, good.head.body_size));
    let body = BodyKey::Event(recorded.seq).read(connection, 4096).expect("readable");
    assert_eq!(Some(&body[..]), good.body.as_deref());
    let again = journal::record(connection, &good, Some(&attempt())).expect("a good row");
    assert_eq!((again.seq, again.handled), (recorded.seq, Handled::Known { owed: true }), "one id, one row");
    let turn = journal::begin_owed(connection, file.dir.path(), recorded.seq, &attempt());
    assert!(!matches!(turn, Ok(Turn::Settled)), "what is owed is not forgotten");
}

fn event(value: &[u8]) -> NewEvent {
    let headers = vec![Header::new("x-raw", Bytes::copy_from_slice(value))];
    let head = EventHead {
        id: EventId::from_parts(1, 1).to_string(),
        method: "POST".into(),
        path: "/a".into(),
        trailers: headers.clone(),
        headers,
        body_size: value.len() as u64,
        ..EventHead::default()
    };
    NewEvent {
        head,
        body: Some(Bytes::copy_from_slice(value)),
        sha256: [0; 32],
        origin: "captured",
        parent: None,
        project: "/p".into(),
        relay: "embedded".into(),
        endpoint: "shop".into(),
        target: Some("http://localhost:3000/a".into()),
        state: State::Owed,
        checked: Default::default(),
        dedupe: false,
        hand_over: HandOver::Awaited,
    }
}

fn attempt() -> NewAttempt {
    NewAttempt { kind: Kind::Live, target: "http://localhost:3000/a".into(), owner: "nobody".into(), started_at: 1 }
}

/// Any value in any column; one that the table's own rules refuse is not there.
fn write_row(connection: &Connection, input: &mut Input<'_>) {
    let (table, columns) = match input.byte() % 7 {
        0 => ("events", EVENT_COLUMNS),
        1 => ("attempts", ATTEMPT_COLUMNS),
        2 => ("event_parts", PART_COLUMNS),
        3 => ("contents", CONTENT_COLUMNS),
        4 => ("open_attempts", OPEN_COLUMNS),
        5 => ("attempt_parts", ATTEMPT_PART_COLUMNS),
        _ => ("signatures", SIGNATURE_COLUMNS),
    };
    let (values, marks): (Vec<_>, Vec<_>) = columns
        .split(", ")
        .map(|column| {
            // Mostly a right one, or every row would fail at its first column.
            if input.byte().is_multiple_of(4) { input.value() } else { (plain(column, input), "?") }
        })
        .unzip();
    let sql = format!("INSERT OR IGNORE INTO {table} ({columns}) VALUES ({})", marks.join(", "));
    let _ = connection.prepare_cached(&sql).and_then(|mut insert| insert.execute(params_from_iter(values)));
}

fn plain(column: &str, input: &mut Input<'_>) -> rusqlite::types::Value {
    match column {
        "seq" | "event" | "n" | "part" => i64::from(input.byte() % 10).into(),
        "id" => EventId::from_parts(1, u128::from(input.byte())).to_string().into(),
        "relay" => "embedded".to_owned().into(),
        "endpoint" => "shop".to_owned().into(),
        "project" => "/p".to_owned().into(),
        "state" => State::ALL[usize::from(input.byte()) % State::ALL.len()].as_str().to_owned().into(),
        "head" | "request" | "response" | "sha256" | "body" | "data" => input.bytes().to_vec().into(),
        "kind" | "origin" | "owner" | "target" | "error" | "detail" => input.text().into_owned().into(),
        _ => i64::from(input.byte()).into(),
    }
}

fn read(connection: &Connection, seq: u64) {
    let attempts = journal::attempts_of(connection, seq);
    if let Ok(Some(row)) = EventRow::by_seq(connection, seq) {
        assert_eq!(row.seq, seq);
        let head = prost::Message::encode_to_vec(&row.head);
        assert_eq!(<EventHead as prost::Message>::decode(&head[..]).as_ref(), Ok(&row.head), "a head reads back");
        let filter = Filter::parse("status:4xx -path:/a header.x-raw:*", 0, 0).expect("a filter");
        let all = Filter::default();
        let attempts = attempts.as_deref().unwrap_or_default();
        let _ = subject::matches(&filter, &row, b"", attempts, b"");
        assert!(subject::matches(&all, &row, b"", attempts, b""), "the empty filter leaves nothing out");
    }
    for key in [BodyKey::Event(seq), BodyKey::Attempt(seq, 1), BodyKey::Parts(EventId::from_parts(1, 2).to_string())] {
        if let Ok(body) = key.read(connection, 1000) {
            assert!(body.len() <= 1000);
        }
    }
}

/// Lists may fail over a bad row, and then say so; what they give is in order.
fn lists(connection: &Connection, endpoint: &str) {
    for (scope, order) in [(Scope::All, Order::OldestFirst), (Scope::Project("/p".into()), Order::NewestFirst)] {
        if let Ok(page) = EventRow::page(connection, &scope, order, None, &[], 5) {
            assert!(page.len() <= 5);
            let ordered =
                page.is_sorted_by(|a, b| if order == Order::OldestFirst { a.seq < b.seq } else { a.seq > b.seq });
            assert!(ordered);
        }
        let _ = EventRow::nth_newest(connection, &scope, 1);
    }
    if let Ok(owed) = EventRow::owed(connection, "embedded", endpoint) {
        assert!(owed.is_sorted_by(|a, b| a.id <= b.id));
        assert!(owed.iter().any(|owed| owed.seq > 0 && owed.path == "/a"), "what is owed is listed");
    }
    let _ = EventRow::by_id_prefix(connection, "0");
    let _ = EventRow::by_provider_id(connection, "evt");
    let _ = journal::has_events(connection, "/p");
    if let Ok(journal::Pruned::Some(_)) = journal::prune(connection, 1 << 40, 1, 1 << 40) {
        let owed = EventRow::owed(connection, "embedded", endpoint);
        assert!(owed.is_err() || owed.is_ok_and(|owed| owed.iter().any(|o| o.path == "/a")), "what is owed is kept");
    }
}
