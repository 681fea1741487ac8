//! What a filter looks at, made from an event and its attempts.

use hook_proto::EventHead;

use crate::filter::{Filter, Subject, SubjectAttempt};
use crate::journal::{Attempt, EventRow, State};
use crate::signature::Checked;

/// Whether an event that is only known by its request passes (`--filter`).
pub fn head_matches(filter: &Filter, head: &EventHead, body: &[u8], checked: &Checked) -> bool {
    let headers = headers(head);
    let path = path(head);
    let content_type = content_type(&headers);
    filter.matches(&Subject {
        id: &head.id,
        seq: 0,
        received_at_ms: head.received_at,
        provider: checked.provider.as_deref(),
        event_type: checked.event_type.as_deref(),
        provider_event_id: checked.provider_event_id.as_deref(),
        verdict: checked.verdict(),
        method: &head.method,
        path: &path,
        headers: &headers,
        content_type: content_type.as_deref(),
        size: head.body_size,
        body,
        marked: false,
        delivered: false,
        replayed: false,
        attempts: &[],
    })
}

/// Whether an event and what became of it passes. `last_body` is the beginning of the last answer.
pub fn matches(filter: &Filter, row: &EventRow, body: &[u8], attempts: &[Attempt], last_body: &[u8]) -> bool {
    let headers = headers(&row.head);
    let path = path(&row.head);
    let tried: Vec<SubjectAttempt<'_>> = attempts
        .iter()
        .enumerate()
        .map(|(i, a)| SubjectAttempt {
            status: a.status,
            error: a.error.as_deref(),
            ms: a.ms,
            response_body: if i + 1 == attempts.len() { last_body } else { &[] },
        })
        .collect();
    filter.matches(&Subject {
        id: &row.id,
        seq: row.seq,
        received_at_ms: row.head.received_at,
        provider: row.provider.as_deref(),
        event_type: row.event_type.as_deref(),
        provider_event_id: row.provider_event_id.as_deref(),
        verdict: row.verdict.as_deref(),
        method: &row.head.method,
        path: &path,
        headers: &headers,
        content_type: row.content_type.as_deref(),
        size: row.size,
        body,
        marked: false,
        delivered: is_delivered(row, attempts),
        replayed: attempts.iter().any(|a| a.kind == "replay"),
        attempts: &tried,
    })
}

/// The app answered at least once.
fn is_delivered(row: &EventRow, attempts: &[Attempt]) -> bool {
    match row.state {
        State::Ended | State::Retrying => attempts.iter().any(|a| a.status.is_some()),
        _ => attempts.iter().any(|a| a.status.is_some() && a.error.is_none()),
    }
}

fn headers(head: &EventHead) -> Vec<(String, Vec<u8>)> {
    head.headers.iter().map(|h| (h.name.clone(), h.value.to_vec())).collect()
}

fn content_type(headers: &[(String, Vec<u8>)]) -> Option<String> {
    headers.iter().find(|(n, _)| n == "content-type").map(|(_, v)| String::from_utf8_lossy(v).into_owned())
}

/// Path and query as they follow the endpoint.
pub fn path(head: &EventHead) -> String {
    let path = if head.path.is_empty() { "/" } else { &head.path };
    match &head.query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}
