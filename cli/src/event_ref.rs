//! How people name events: `12`, an id or a prefix of one, a provider's id, `last`, `last~2`, `12..20`, or a filter.

use rusqlite::Connection;

use crate::failure::Failure;
use crate::filter::Filter;
use crate::journal::{self, Condition, EventRow, Journal, Order, Scope};
use crate::platform;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Newest(u64),
    Number(u64),
    Range(u64, u64),
    Text(String),
}

/// The scope that `last` and lists have: this project when it has events, else everything.
pub async fn scope(journal: &Journal, all: bool) -> Result<Scope, Failure> {
    let project = platform::project_dir().display().to_string();
    let asked = project.clone();
    let own = !all && journal.read(move |c| journal::has_events(c, &asked)).await?;
    Ok(if own { Scope::Project(project) } else { Scope::All })
}

/// The one event that is meant.
pub async fn one(journal: &Journal, scope: &Scope, text: &str) -> Result<EventRow, Failure> {
    if is_filter(text) {
        let found = matching(journal, scope, Order::NewestFirst, &filter(text)?, Default::default(), 1).await?;
        return found.into_iter().next().ok_or_else(|| Failure::failed("no event matches.").next("hook events"));
    }
    match parse(text) {
        Name::Range(..) => {
            Err(Failure::usage(format!("\"{text}\" is a range, and this takes one event.")).next("hook show 12"))
        }
        name => many_of(journal, scope, &name, text).await?.pop().ok_or_else(|| unknown(text)),
    }
}

/// All events that are meant, in the order they were named; ranges rise.
pub async fn many(journal: &Journal, scope: &Scope, texts: &[String]) -> Result<Vec<EventRow>, Failure> {
    let mut rows: Vec<EventRow> = Vec::new();
    for text in texts {
        let found = many_of(journal, scope, &parse(text), text).await?;
        if found.is_empty() {
            return Err(unknown(text));
        }
        rows.extend(found);
    }
    Ok(rows)
}

/// Reads a filter; an error shows the bad term.
pub fn filter(query: &str) -> Result<Filter, Failure> {
    Filter::parse(query, platform::now_ms(), crate::text::utc_offset_seconds()).map_err(|error| {
        let what = format!("{error}\n      {}\n      {}", shown(query), error.underline(query));
        Failure::usage(what)
            .next("hook events 'status:5xx path:/stripe since:10m'   (quote a word to search for it as it is)")
    })
}

/// Whether this looks like a filter and not like a name.
pub fn is_filter(text: &str) -> bool {
    matches!(parse(text), Name::Text(_)) && (text.contains(':') || text.contains(' '))
}

async fn many_of(journal: &Journal, scope: &Scope, name: &Name, text: &str) -> Result<Vec<EventRow>, Failure> {
    let (name, scope) = (name.clone(), scope.clone());
    let found = journal.read(move |c| find(c, &scope, &name)).await?;
    match found {
        Found::Rows(rows) => Ok(rows),
        Found::Ambiguous => Err(Failure::failed(format!("more than one event's id begins with \"{}\".", shown(text)))
            .next("type more of it, or the number: hook events")),
    }
}

enum Found {
    Rows(Vec<EventRow>),
    Ambiguous,
}

fn find(connection: &Connection, scope: &Scope, name: &Name) -> rusqlite::Result<Found> {
    let rows = match name {
        Name::Newest(n) => match EventRow::nth_newest(connection, scope, *n)? {
            Some(seq) => EventRow::by_seq(connection, seq)?.into_iter().collect(),
            None => Vec::new(),
        },
        Name::Number(seq) => EventRow::by_seq(connection, *seq)?.into_iter().collect(),
        Name::Range(from, to) => {
            let to = vec![i64::try_from(*to).unwrap_or(i64::MAX).into()];
            let until = Condition { sql: "seq <= ?".into(), values: to, indexed: false };
            let all = EventRow::page(
                connection,
                scope,
                Order::OldestFirst,
                Some(from.saturating_sub(1)),
                &[until],
                1_000_000,
            )?;
            all.into_iter().collect()
        }
        Name::Text(text) => {
            let by_provider = EventRow::by_provider_id(connection, text)?;
            if !by_provider.is_empty() {
                return Ok(Found::Rows(by_provider));
            }
            let upper = text.to_ascii_uppercase();
            let is_id = !upper.is_empty() && upper.len() <= 26 && upper.bytes().all(|b| b.is_ascii_alphanumeric());
            let rows = if is_id { EventRow::by_id_prefix(connection, &upper)? } else { Vec::new() };
            if rows.len() > 1 {
                return Ok(Found::Ambiguous);
            }
            rows
        }
    };
    Ok(Found::Rows(rows))
}

fn parse(text: &str) -> Name {
    let number = |t: &str| t.strip_prefix('#').unwrap_or(t).parse::<u64>().ok().filter(|n| i64::try_from(*n).is_ok());
    if text == "last" {
        return Name::Newest(0);
    }
    if let Some(n) =
        text.strip_prefix("last~").and_then(|n| n.parse::<u64>().ok()).filter(|n| i64::try_from(*n).is_ok())
    {
        return Name::Newest(n);
    }
    if let Some(n) = number(text) {
        return Name::Number(n);
    }
    if let Some((from, to)) = text.split_once("..")
        && let (Some(from), Some(to)) = (number(from), number(to))
    {
        return Name::Range(from, to);
    }
    Name::Text(text.to_owned())
}

/// The events of a scope that match, in order; bodies are read only where the filter looks at them.
pub async fn matching(
    journal: &Journal,
    scope: &Scope,
    order: Order,
    filter: &Filter,
    mut conditions: Vec<Condition>,
    limit: usize,
) -> Result<Vec<EventRow>, Failure> {
    let (scope, filter) = (scope.clone(), filter.clone());
    conditions.extend(crate::prefilter::conditions(&filter));
    let rows = journal.read(move |c| search(c, &scope, order, &filter, &conditions, limit)).await?;
    Ok(rows)
}

const LARGEST_PAGE: usize = 500;

fn search(
    connection: &Connection,
    scope: &Scope,
    order: Order,
    filter: &Filter,
    conditions: &[Condition],
    limit: usize,
) -> rusqlite::Result<Vec<EventRow>> {
    // Few are wanted, most often, and what SQL lets through is most often wanted.
    let mut size = limit.clamp(20, LARGEST_PAGE);
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = EventRow::page(connection, scope, order, after, conditions, size)?;
        size = (2 * size).min(LARGEST_PAGE);
        let Some(last) = page.last().map(|r| r.seq) else { return Ok(found) };
        after = Some(last);
        for row in page {
            if filter.is_empty() || passes(connection, filter, &row)? {
                found.push(row);
                if found.len() >= limit {
                    return Ok(found);
                }
            }
        }
    }
}

/// Whether one event and its attempts match.
pub fn passes(connection: &Connection, filter: &Filter, row: &EventRow) -> rusqlite::Result<bool> {
    let attempts = journal::attempts_of(connection, row.seq)?;
    let (mut body, mut answer) = (Vec::new(), Vec::new());
    if filter.needs_bodies() {
        body = journal::BodyKey::Event(row.seq).read(connection, usize::MAX)?;
        if let Some(last) = attempts.last() {
            answer = journal::BodyKey::Attempt(row.seq, last.n).read(connection, usize::MAX)?;
        }
    }
    Ok(crate::subject::matches(filter, row, &body, &attempts, &answer))
}

fn unknown(text: &str) -> Failure {
    Failure::failed(format!("no event is named \"{}\".", shown(text))).next("hook events --all")
}

fn shown(text: &str) -> String {
    crate::sanitize::sanitize(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_an_event() {
        assert_eq!(parse("last"), Name::Newest(0));
        assert_eq!(parse("last~2"), Name::Newest(2));
        assert_eq!(parse("12"), Name::Number(12));
        assert_eq!(parse("#12"), Name::Number(12));
        assert_eq!(parse("12..20"), Name::Range(12, 20));
        assert_eq!(parse("01JD"), Name::Text("01JD".into()));
        assert_eq!(parse("evt_3Oq"), Name::Text("evt_3Oq".into()));
        assert!(is_filter("status:5xx") && is_filter("a b") && !is_filter("evt_1") && !is_filter("12"));
    }
}
