//! A full disk: refusals with a time to come back, nothing lost, and on it goes when there is room.

use std::os::unix::fs::symlink;

use hook_tests::{
    App, Filler, Heard, Hook, Listen, Load, Relay, Response, SmallDisk, assert_same_bytes, pattern, post, request,
    wait_until,
};

use crate::eio::assert_answered;
use crate::stores::key;

const MIB: usize = 1024 * 1024;

#[track_caller]
fn assert_refused(response: &Response) {
    assert_eq!(response.status, 503, "{response:?}");
    assert!(response.header("retry-after").is_some(), "a sender is told when to come again: {response:?}");
}

fn own(relay: &Relay, page: &str) -> u16 {
    request("GET", &format!("{}/_hook/{page}", relay.url()), &[], "").status
}

/// A relay with its data on a small disk, and the endpoint `shop`, which nobody listens to.
fn relay_on(disk: &SmallDisk) -> Relay {
    let relay = Relay::on_data(|data| symlink(disk.path(), data).unwrap());
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()]);
    listen.ready();
    listen.kill9();
    relay
}

#[track_caller]
fn assert_everything_arrives(relay: &Relay, accepted: &[(String, Vec<u8>)]) {
    let (hook, app) = (Hook::new(), App::new());
    let _listen = hook.listen(["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()]);
    let arrived = |key: &str| app.requests().into_iter().find(|r| r.target().ends_with(key));
    wait_until("the app gets all that was accepted", || accepted.iter().all(|(key, _)| arrived(key).is_some()));
    for (key, body) in accepted {
        assert_same_bytes(key, &arrived(key).unwrap().body, body);
    }
}

#[test]
fn a_relay_with_a_full_disk_refuses_and_goes_on_when_its_inbox_empties() {
    let disk = SmallDisk::new(40 * MIB);
    let relay = relay_on(&disk);
    let mut accepted = Vec::new();
    let (mut refused, mut unready) = (0, 0);
    for n in 0..200 {
        // Small, large and very large ones.
        let (key, body) = (key(n), pattern([700_000, 100, 2 * MIB][n % 3] + n));
        let response = post(&format!("{}?{key}", relay.at("shop")), &body);
        if response.status == 200 {
            accepted.push((key, body));
            continue;
        }
        assert_refused(&response);
        refused += 1;
        // A large body may find no room while small ones still do.
        unready += usize::from(own(&relay, "ready") == 503);
        assert_eq!(own(&relay, "health"), 200, "full, but well");
        if refused == 12 {
            break;
        }
    }
    assert!(accepted.len() >= 10 && refused == 12, "{} accepted, {refused} refused", accepted.len());
    assert!(unready >= 3, "full and not ready, {unready} times");
    let warnings = relay.stderr().lines().filter(|l| l.contains("WARN")).count();
    assert!(warnings <= 4, "a full disk is said once, not for each sender:\n{}", relay.stderr());

    assert_everything_arrives(&relay, &accepted);
    wait_until("the relay is ready again", || own(&relay, "ready") == 200);
    assert_eq!(post(&relay.at("shop"), "{}").status, 200);
}

#[test]
fn a_relay_whose_disk_another_program_fills_waits_for_room() {
    let disk = SmallDisk::new(40 * MIB);
    let relay = relay_on(&disk);
    let mut accepted = Vec::new();
    let send = |n: usize, body: Vec<u8>, accepted: &mut Vec<_>| {
        let response = post(&format!("{}?{}", relay.at("shop"), key(n)), &body);
        if response.status == 200 {
            accepted.push((key(n), body));
        } else {
            assert_refused(&response);
        }
        response.status
    };
    send(0, pattern(50_000), &mut accepted);
    {
        let _filler = disk.fill();
        let mut n = 1;
        wait_until("it refuses", || {
            n += 1;
            send(n, pattern(50_000), &mut accepted) == 503
        });
        // Its reserve is free now, and gone again.
        let _more = disk.fill();
        for n in 1000..1020 {
            send(n, pattern(100), &mut accepted);
        }
        assert_eq!((own(&relay, "health"), own(&relay, "ready")), (200, 503));
    }
    // Nobody has to send anything for it to notice.
    wait_until("the relay is ready again", || own(&relay, "ready") == 200);
    assert_eq!(send(2000, pattern(100), &mut accepted), 200);
    assert_everything_arrives(&relay, &accepted);
}

#[test]
fn a_relay_that_starts_without_room_is_not_ready() {
    let disk = SmallDisk::new(40 * MIB);
    let filler = Filler::of(&disk, 30 * MIB);
    let relay = relay_on(&disk);
    assert_eq!((own(&relay, "health"), own(&relay, "ready")), (200, 503));
    assert_refused(&post(&relay.at("shop"), "{}"));
    drop(filler);
    wait_until("the relay is ready", || own(&relay, "ready") == 200);
    assert_eq!(post(&relay.at("shop"), "{}").status, 200);
}

/// What the journal cannot keep is not acked, so it stays in the relay's inbox.
#[test]
fn a_cli_with_a_full_disk_stops_and_loses_nothing() {
    let disk = SmallDisk::new(8 * MIB);
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    symlink(disk.path(), hook.home().join("data")).unwrap();
    let args = ["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()];
    let listen = hook.listen(args);
    listen.ready();
    let load = Load::plain(&relay.at("shop"), 2);
    load.until_promised(20);
    let filler = disk.fill();
    assert_stops_for_want_of_room(&listen);
    load.until_promised(20);

    drop(filler);
    let again = hook.listen(args);
    again.ready();
    load.until_promised(20);
    let heard = load.stop();
    assert_answered(&heard);
    Heard::assert_promises_kept(&heard, &hook, &app);
}

#[track_caller]
fn assert_stops_for_want_of_room(listen: &Listen) {
    assert_eq!(listen.exit_code(), Some(3), "{}", listen.stdout.text());
    // Writes that came behind the one that failed may be told of first.
    let said = listen.wait_for("what stopped it", |r| r["type"] == "error" && r["fatal"] == true);
    assert!(said["message"].as_str().unwrap().contains("the disk is full"), "{said}");
}

#[test]
fn a_large_body_that_fits_no_journal_stays_in_the_inbox() {
    let disk = SmallDisk::new(8 * MIB);
    let (relay, hook, app) = (Relay::start(), Hook::new(), App::new());
    symlink(disk.path(), hook.home().join("data")).unwrap();
    let args = ["--relay", &relay.url(), "--name", "shop", "--forward-to", &app.url()];
    let listen = hook.listen(args);
    listen.ready();
    let filler = disk.fill();
    let large = pattern(3 * MIB);
    post(&relay.at("shop"), &large).assert_queued();
    assert_stops_for_want_of_room(&listen);
    assert_eq!(app.count(), 0);

    drop(filler);
    let _again = hook.listen(args);
    assert_same_bytes("the large one", &app.request(1).body, &large);
    assert_eq!(hook.events().len(), 1);
}

/// With no relay beside it there is nothing else to keep an event: what the journal cannot keep is refused.
#[test]
fn a_cli_with_its_own_relay_and_a_full_disk_promises_nothing() {
    let disk = SmallDisk::new(8 * MIB);
    let (hook, app) = (Hook::new(), App::new());
    symlink(disk.path(), hook.home().join("data")).unwrap();
    let app_url = app.url();
    let listen = hook.listen(["--forward-to", &app_url]);
    let url = listen.url();
    let load = Load::plain(&url, 2);
    load.until_promised(20);
    let filler = disk.fill();
    assert_eq!(listen.exit_code(), Some(3), "{}", listen.stdout.text());
    load.until_sent(5);
    drop(filler);
    let again = hook.listen(["--forward-to", &app_url]);
    assert_eq!(again.url(), url);
    load.until_promised(20);
    Heard::assert_promises_kept(&load.stop(), &hook, &app);
}
