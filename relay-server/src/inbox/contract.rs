//! What every inbox must do. A backend calls [`contract!`] with a function that opens it in an empty or a used directory.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hook_proto::{EndpointName, EventHead, EventId, Header};
use prost::Message as _;

use super::{Inbox, InboxError, Limits, Pending, StoredEvent, Usage};
use crate::body::{Body, BodyWriter, Budget, IN_MEMORY};

mod model;

pub(super) use model::behaves_like_the_model;

pub(super) type Open = fn(&Path, Limits) -> Box<dyn Inbox>;

macro_rules! contract {
    ($open:expr) => {
        $crate::inbox::contract::contract!($open;
            events_come_back_whole_and_in_order, the_same_id_again_is_one_event, a_delete_is_seen_at_once_and_stays,
            a_queued_append_and_its_delete_leave_nothing, pages_go_on_where_the_last_one_ended, large_bodies_come_back,
            a_large_append_can_be_deleted_on_its_way, usage_counts_what_is_held, what_is_beyond_a_limit_is_refused,
            a_dropped_answer_is_no_dropped_append, many_at_once_all_arrive, behaves_like_the_model);
    };
    ($open:expr; $($case:ident),+) => {
        $(#[test] fn $case() { $crate::inbox::contract::$case($open); })+
    };
}
pub(super) use contract;

pub(super) fn wait<T>(pending: Pending<T>) -> Result<T, InboxError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(pending)
}

pub(super) fn name(text: &str) -> EndpointName {
    text.parse().unwrap()
}

pub(super) fn id(n: u64) -> EventId {
    EventId::from_parts(1_700_000_000_000 + n, 7)
}

pub(super) fn event_with(endpoint: &str, n: u64, body: Body) -> Arc<StoredEvent> {
    let head = EventHead {
        id: id(n).to_string(),
        method: "POST".into(),
        headers: vec![Header::new("x-bytes", Bytes::from_static(b"\x00\xff"))],
        body_size: body.len(),
        ..EventHead::default()
    };
    Arc::new(StoredEvent { endpoint: name(endpoint), id: id(n), head: head.encode_to_vec().into(), body })
}

pub(super) fn event(endpoint: &str, n: u64) -> Arc<StoredEvent> {
    event_with(endpoint, n, Body::Memory(format!("event {n}").into()))
}

/// An event whose bytes differ all along, spooled when it is large.
pub(super) fn event_of(dir: &Path, endpoint: &str, n: u64, size: usize) -> Arc<StoredEvent> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let bytes: Vec<u8> = (0..size).map(|i| (i as u64 * 31 + n + (i >> 11) as u64) as u8).collect();
    let body = runtime.block_on(async {
        let mut writer = BodyWriter::new(dir.into(), Budget::new(64 * IN_MEMORY));
        for piece in bytes.chunks(100_000) {
            writer.push(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        writer.finish().await.unwrap()
    });
    event_with(endpoint, n, body)
}

pub(super) fn bytes_of(body: &Body) -> Vec<u8> {
    let mut all = Vec::new();
    while (all.len() as u64) < body.len() {
        let mut piece = vec![0; 300_000];
        let count = body.read_blocking(all.len() as u64, &mut piece).unwrap();
        all.extend_from_slice(&piece[..count]);
    }
    all
}

pub(super) fn assert_same(found: &StoredEvent, expected: &StoredEvent) {
    assert_eq!((&found.endpoint, found.id, &found.head), (&expected.endpoint, expected.id, &expected.head));
    assert!(bytes_of(&found.body) == bytes_of(&expected.body), "the body of {} differs", found.id);
}

pub(super) fn ids(inbox: &dyn Inbox, endpoint: &str) -> Vec<EventId> {
    wait(inbox.next(&name(endpoint), 0, usize::MAX)).unwrap().into_iter().map(|(_, id)| id).collect()
}

pub(super) fn events_come_back_whole_and_in_order(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(dir.path(), Limits::default());
    // Ids do not rise here: the order is that of the appends.
    let order = [5, 3, 9, 1];
    let events: Vec<_> = order.map(|n| event("shop", n)).into();
    let pending: Vec<_> = events.iter().map(|event| inbox.append(Arc::clone(event))).collect();
    let positions: Vec<u64> = pending.into_iter().map(|pending| wait(pending).unwrap()).collect();
    assert!(positions.is_sorted_by(|a, b| a < b) && positions[0] > 0, "{positions:?}");
    wait(inbox.append(event("other", 100))).unwrap();

    let page = wait(inbox.next(&name("shop"), 0, 10)).unwrap();
    assert_eq!(page, positions.into_iter().zip(order.map(id)).collect::<Vec<_>>());
    for event in events {
        assert_same(&wait(inbox.load(event.id)).unwrap().unwrap(), &event);
    }
    assert!(wait(inbox.load(id(77))).unwrap().is_none());
    assert_eq!(ids(inbox.as_ref(), "nobody"), []);
}

pub(super) fn the_same_id_again_is_one_event(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(dir.path(), Limits::default());
    let (first, second) = (inbox.append(event("shop", 1)), inbox.append(event("shop", 1)));
    let position = wait(first).unwrap();
    wait(inbox.append(event("shop", 2))).unwrap();
    assert_eq!((wait(second), wait(inbox.append(event("shop", 1)))), (Ok(position), Ok(position)));
    assert_eq!(ids(inbox.as_ref(), "shop"), [id(1), id(2)]);
    assert_eq!(inbox.total().events, 2);
}

pub(super) fn a_delete_is_seen_at_once_and_stays(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(dir.path(), Limits::default());
    for n in 1..=3 {
        wait(inbox.append(event("shop", n))).unwrap();
    }
    inbox.delete(&name("shop"), id(2));
    inbox.delete(&name("other"), id(3));
    inbox.delete(&name("shop"), id(99));
    assert_eq!(ids(inbox.as_ref(), "shop"), [id(1), id(3)]);
    assert!(wait(inbox.load(id(2))).unwrap().is_none());
    assert!(wait(inbox.load(id(3))).unwrap().is_some(), "only its own endpoint deletes an event");
    wait(inbox.append(event("shop", 4))).unwrap();
    assert_eq!(ids(inbox.as_ref(), "shop"), [id(1), id(3), id(4)]);
    assert_eq!(inbox.total().events, 3);
}

pub(super) fn a_queued_append_and_its_delete_leave_nothing(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(dir.path(), Limits::default());
    for n in 0..50 {
        drop(inbox.append(event("shop", n)));
        inbox.delete(&name("shop"), id(n));
    }
    inbox.delete(&name("shop"), id(50));
    wait(inbox.append(event("shop", 50))).unwrap();
    assert_eq!(ids(inbox.as_ref(), "shop"), [id(50)], "an append after a delete stays");
    assert_eq!(inbox.total().events, 1);
}

pub(super) fn pages_go_on_where_the_last_one_ended(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(dir.path(), Limits::default());
    let pending: Vec<_> = (0..25).map(|n| inbox.append(event(if n % 2 == 0 { "shop" } else { "other" }, n))).collect();
    for pending in pending {
        wait(pending).unwrap();
    }
    inbox.delete(&name("shop"), id(4));
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = wait(inbox.next(&name("shop"), after, 3)).unwrap();
        let Some((last, _)) = page.last() else { break };
        assert!(page.len() == 3 || seen.len() + page.len() == 12, "a page is only short at the end");
        after = *last;
        seen.extend(page.into_iter().map(|(_, id)| id));
    }
    assert_eq!(seen, (0..25).step_by(2).filter(|n| *n != 4).map(id).collect::<Vec<_>>());
    assert_eq!(wait(inbox.next(&name("shop"), 0, 0)).unwrap(), []);
    assert_eq!(wait(inbox.next(&name("shop"), u64::MAX, 5)).unwrap(), []);
}

pub(super) fn large_bodies_come_back(open: Open) {
    const MIB: usize = 1024 * 1024;
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(dir.path(), Limits::default());
    let mut events: Vec<_> = [0, 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 17]
        .into_iter()
        .zip(1..)
        .map(|(size, n)| event_of(dir.path(), "shop", n, size))
        .collect();
    events.push(event_with("shop", 20, Body::Memory(vec![7; 2 * MIB + 5].into())));
    let pending: Vec<_> = events.iter().map(|event| inbox.append(Arc::clone(event))).collect();
    let again = inbox.append(Arc::clone(&events[5]));
    let positions: Vec<_> = pending.into_iter().map(|pending| wait(pending).unwrap()).collect();
    assert_eq!(wait(again), Ok(positions[5]));
    assert_eq!(inbox.total(), Usage { events: 7, bytes: events.iter().map(|event| event.size()).sum() });
    for event in &events {
        assert_same(&wait(inbox.load(event.id)).unwrap().unwrap(), event);
        inbox.delete(&event.endpoint, event.id);
    }
    wait(inbox.append(event("shop", 30))).unwrap();
    assert_eq!(ids(inbox.as_ref(), "shop"), [id(30)]);
    assert_eq!(inbox.total().events, 1);
}

pub(super) fn a_large_append_can_be_deleted_on_its_way(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(dir.path(), Limits::default());
    let large = event_of(dir.path(), "shop", 1, 5_000_000);
    let first = inbox.append(Arc::clone(&large));
    wait(inbox.append(event("shop", 2))).unwrap();
    inbox.delete(&name("shop"), id(1));
    assert!(wait(first).is_ok());
    wait(inbox.append(event("shop", 3))).unwrap();
    assert_eq!(ids(inbox.as_ref(), "shop"), [id(2), id(3)]);
    assert_eq!(inbox.total().events, 2);
    wait(inbox.append(Arc::clone(&large))).unwrap();
    assert_same(&wait(inbox.load(id(1))).unwrap().unwrap(), &large);
}

pub(super) fn usage_counts_what_is_held(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(dir.path(), Limits::default());
    assert_eq!((inbox.total(), inbox.endpoints()), (Usage::default(), vec![]));
    let (a, b) = (event("shop", 1), event_with("other", 2, Body::Memory(vec![1; 1000].into())));
    wait(inbox.append(Arc::clone(&a))).unwrap();
    wait(inbox.append(Arc::clone(&b))).unwrap();
    assert_eq!(inbox.usage(&name("shop")), Usage { events: 1, bytes: a.size() });
    assert_eq!(inbox.usage(&name("other")), Usage { events: 1, bytes: b.size() });
    assert_eq!(inbox.total(), Usage { events: 2, bytes: a.size() + b.size() });
    inbox.delete(&name("shop"), id(1));
    wait(inbox.append(Arc::clone(&b))).unwrap();
    assert_eq!(inbox.usage(&name("shop")), Usage::default());
    assert_eq!(inbox.endpoints(), [(name("other"), Usage { events: 1, bytes: b.size() })]);
}

pub(super) fn what_is_beyond_a_limit_is_refused(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let size = event("shop", 1).size();
    let limits =
        Limits { endpoint: Usage { events: 3, bytes: 100 * size }, total: Usage { events: 5, bytes: 200 * size } };
    let inbox = open(dir.path(), limits);
    let append = |endpoint, n| wait(inbox.append(event(endpoint, n)));
    assert!((1..=3).all(|n| append("shop", n).is_ok()));
    assert!(matches!(append("shop", 4), Err(InboxError::Full(why)) if why.contains("shop may hold 3 events")));
    assert!(append("shop", 2).is_ok(), "what is held already takes no room");
    assert!((5..=6).all(|n| append("other", n).is_ok()));
    assert!(matches!(append("other", 7), Err(InboxError::Full(why)) if why.contains("relay may hold 5 events")));
    inbox.delete(&name("shop"), id(1));
    append("shop", 8).unwrap();

    inbox.delete(&name("other"), id(5));
    let wide = event_with("other", 9, Body::Memory(vec![0; 100 * size as usize].into()));
    assert!(matches!(wait(inbox.append(wide)), Err(InboxError::Full(why)) if why.contains("bytes")));
    let large = event_of(dir.path(), "other", 10, 2_000_000);
    assert!(matches!(wait(inbox.append(large)), Err(InboxError::Full(why)) if why.contains("bytes")));
    assert_eq!(ids(inbox.as_ref(), "shop"), [id(2), id(3), id(8)]);
    assert_eq!((inbox.total().events, inbox.broken()), (4, false));
}

pub(super) fn a_dropped_answer_is_no_dropped_append(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(dir.path(), Limits::default());
    drop(inbox.append(event("shop", 1)));
    wait(inbox.append(event("shop", 2))).unwrap();
    assert_eq!(ids(inbox.as_ref(), "shop"), [id(1), id(2)]);
}

pub(super) fn many_at_once_all_arrive(open: Open) {
    const EACH: u64 = 500;
    let dir = tempfile::tempdir().unwrap();
    let inbox = open(dir.path(), Limits::default());
    let mut positions = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|t| {
                let inbox = inbox.as_ref();
                scope.spawn(move || {
                    let pending: Vec<_> =
                        (0..EACH).map(|n| inbox.append(event(&format!("e{}", t % 4), t * EACH + n))).collect();
                    pending.into_iter().map(|pending| wait(pending).unwrap()).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(positions.len() as u64, 8 * EACH);
    for e in 0..4 {
        let all = ids(inbox.as_ref(), &format!("e{e}"));
        for thread in [e, e + 4] {
            let own = |id: &EventId| id.millis() - 1_700_000_000_000;
            let of_thread: Vec<_> = all.iter().map(own).filter(|n| n / EACH == thread).collect();
            assert_eq!(
                of_thread,
                (thread * EACH..(thread + 1) * EACH).collect::<Vec<_>>(),
                "in the order of the calls"
            );
        }
    }
}
