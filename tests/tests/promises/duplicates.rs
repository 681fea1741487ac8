//! A provider sends again what it has sent: every delivery is kept and delivered.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use hook_tests::{App, Dice, Hook, Relay, request, wait_until};

#[test]
fn deliveries_that_come_twice_are_kept_twice_and_delivered_twice() {
    repeated(600);
}

#[test]
#[ignore = "many deliveries"]
fn long_deliveries_that_come_twice_are_kept_twice() {
    repeated(10_000);
}

/// One in twenty is sent again under the provider's own id: half of them at the same moment, half with the next one.
fn repeated(count: usize) {
    let mut dice = Dice::new("provider duplicates");
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    let listen = hook.listen(["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()]);
    listen.ready();
    let mut repeats: Vec<(bool, bool)> = (0..count).map(|_| (dice.chance(1, 20), dice.chance(1, 2))).collect();
    (repeats[0], repeats[1]) = ((true, true), (true, false));
    let wanted = count + repeats.iter().filter(|(again, _)| *again).count();
    let send = |n: usize| {
        let id = format!("{n:08x}-0000-4000-8000-000000000000");
        let fields: [(&str, &[u8]); 2] = [("X-GitHub-Event", b"push"), ("X-GitHub-Delivery", id.as_bytes())];
        let reply = request("POST", &relay.at("shop"), &fields, format!("{{\"n\":{n}}}"));
        assert_eq!(reply.status, 200, "{reply:?}");
    };
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    let Some((again, at_once)) = repeats.get(n) else { return };
                    match (again, at_once) {
                        (false, _) => send(n),
                        (true, true) => std::thread::scope(|both| {
                            both.spawn(|| send(n));
                            both.spawn(|| send(n));
                        }),
                        (true, false) => (0..2).for_each(|_| send(n)),
                    }
                }
            });
        }
    });
    wait_until("the app has them all", || app.count() == wanted);
    assert_eq!(hook.events().len(), wanted);
    let mut deliveries: HashMap<String, Vec<String>> = HashMap::new();
    for request in app.requests() {
        let id = request.header("x-github-delivery").unwrap();
        let n = usize::from_str_radix(&id[..8], 16).unwrap();
        assert_eq!(request.body, format!("{{\"n\":{n}}}").into_bytes());
        assert_eq!(request.attempt(), 1, "a delivery of its own, not another try of the first");
        deliveries.entry(id).or_default().push(request.event_id());
    }
    for (n, (again, _)) in repeats.iter().enumerate() {
        let mut ids = deliveries.remove(&format!("{n:08x}-0000-4000-8000-000000000000")).unwrap();
        assert_eq!(ids.len(), 1 + usize::from(*again));
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 1 + usize::from(*again), "each has an id of hook's own");
    }
}
