//! What is promised, as questions to a world.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::app::Hit;
use crate::cli::Cli;
use crate::sender::{Heard, Sender};
use crate::world::{MIRROR, World};

/// In every state: the app sees an event once, and once more for each CLI that ended; and only what was sent.
pub fn holds_at_any_time(world: &World) -> Result<(), String> {
    for app in &world.apps {
        let mut times: HashMap<String, Vec<Hit>> = HashMap::new();
        for hit in app.hits() {
            if !world.senders.iter().any(|sender| sender.body == hit.body) {
                return Err(format!("the app got what nobody sent: {:?}", String::from_utf8_lossy(&hit.body)));
            }
            times.entry(hit.event.clone()).or_default().push(hit);
        }
        for (event, hits) in times {
            if hits.len() > 1 + world.ends {
                return Err(format!("the app got {event} {} times, and {} CLIs ended", hits.len(), world.ends));
            }
            let numbers: Vec<u32> = hits.iter().map(|hit| hit.attempt).collect();
            // After a power cut the journal may have forgotten an attempt, and its number is given again.
            if world.journal.cuts() == 0 && !numbers.is_sorted_by(|a, b| a < b) {
                return Err(format!("the attempts of {event} had the numbers {numbers:?}"));
            }
        }
    }
    Ok(())
}

/// Nothing is left to happen: all senders heard something, the inbox is empty, and nothing is owed.
pub fn is_kept(world: &World) -> bool {
    let heard = world.senders.iter().all(|sender| sender.heard() != Heard::Waiting);
    let let_go = world.relay.as_ref().is_some_and(|relay| relay.is_empty());
    heard && let_go && lost(world).is_empty() && counts(world).is_ok_and(|counts| counts.owed == 0)
}

/// At the quiet end.
pub fn holds_at_the_end(world: &mut World, quiet: bool) -> Result<(), String> {
    let counts = counts(world)?;
    let empty = world.relay.as_ref().is_some_and(|relay| relay.is_empty());
    if let Some(sender) = lost(world).first() {
        let event: String = String::from_utf8_lossy(&sender.body).chars().take(9).collect();
        let heard = sender.heard();
        return Err(format!(
            "the sender of {event:?} heard {heard:?}, and the app never got it; {counts:?}, empty inbox: {empty}, quiet: {quiet}"
        ));
    }
    if !quiet {
        let waiting = world.senders.iter().filter(|sender| sender.heard() == Heard::Waiting).count();
        return Err(format!("no end: {waiting} senders wait, {counts:?}, empty inbox: {empty}"));
    }
    if counts.doubled > 0 {
        return Err(format!("{} ids have more than one row", counts.doubled));
    }
    if counts.events > world.senders.len() as u64 {
        return Err(format!("{} events in the journal, and {} were sent", counts.events, world.senders.len()));
    }
    // Failing to connect is no trouble; failing to write is.
    let troubles: Vec<String> = world.clis.iter_mut().flatten().flat_map(Cli::troubles).collect();
    if troubles.is_empty() { Ok(()) } else { Err(format!("{troubles:?}")) }
}

/// Senders that heard a 2xx of an event that the app does not have.
fn lost(world: &World) -> Vec<&Sender> {
    let hits = world.apps[0].hits();
    let promised = world.senders.iter().filter(|sender| sender.is_promised());
    let missing: Vec<_> = promised.filter(|sender| !hits.iter().any(|hit| hit.body == sender.body)).collect();
    if missing.is_empty() {
        return missing;
    }
    let mut settled = broken_off(world);
    settled.extend(deduped(world));
    missing.into_iter().filter(|sender| !settled.contains(&Sha256::digest(&sender.body).to_vec())).collect()
}

/// Bodies whose event was settled by a 2xx of the app to the same event of the provider's.
pub fn deduped(world: &World) -> Vec<Vec<u8>> {
    let responders = world.clis.iter().take(MIRROR).flatten();
    let Some(cli) = responders.last() else { return Vec::new() };
    let read = cli.program.run(cli.journal.read(|c| {
        let mut query = c.prepare(
            "SELECT sha256 FROM events d WHERE mirror = 0 AND state = 'deduped' AND EXISTS (SELECT 1 FROM events e JOIN attempts
                ON event = e.seq WHERE e.provider_event_id = d.provider_event_id AND e.seq < d.seq AND status = 200 AND error IS NULL)",
        )?;
        query.query_map([], |row| row.get(0))?.collect()
    }));
    read.unwrap_or_default()
}

/// Bodies whose attempt broke off: an app that goes down forgets what it had of them, and their attempt has ended (DESIGN §5.4).
fn broken_off(world: &World) -> Vec<Vec<u8>> {
    let responders = world.clis.iter().take(MIRROR).flatten();
    let Some(cli) = responders.last().filter(|_| world.apps[0].downs > 0) else { return Vec::new() };
    let read = cli.program.run(cli.journal.read(|c| {
        let mut query = c.prepare(
            "SELECT sha256 FROM events WHERE mirror = 0 AND state = 'ended' AND last_error IN ('closed', 'reset')",
        )?;
        query.query_map([], |row| row.get(0))?.collect()
    }));
    read.unwrap_or_default()
}

#[derive(Debug)]
struct Counts {
    events: u64,
    owed: u64,
    doubled: u64,
}

fn counts(world: &World) -> Result<Counts, String> {
    let responders = world.clis.iter().take(MIRROR).flatten();
    let cli = responders.last().ok_or("nobody listens")?;
    let read = cli.program.run(cli.journal.read(|c| {
        let count = |sql: &str| c.query_row(sql, [], |row| row.get(0));
        Ok(Counts {
            events: count("SELECT count(*) FROM events WHERE mirror = 0")?,
            owed: count("SELECT count(*) FROM events WHERE mirror = 0 AND state IN ('owed', 'retrying')")?,
            doubled: count("SELECT count(*) FROM (SELECT 1 FROM events GROUP BY id, mirror HAVING count(*) > 1)")?,
        })
    }));
    read.map_err(|error| error.to_string())
}
