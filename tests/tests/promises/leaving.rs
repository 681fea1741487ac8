//! The sender leaves at every point of its request: nothing is kept, or all of it once.

use hook_tests::{Answer, App, Gate, H2Sender, Hook, Listen, Sender, pattern, post, wait_until};

struct Stage {
    listen: Listen,
    hook: Hook,
    app: App,
}

fn stage() -> Stage {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url()]);
    listen.ready();
    Stage { listen, hook, app }
}

impl Stage {
    /// Only this much arrived: `whole` requests, and one more that is sent now.
    #[track_caller]
    fn assert_kept(&self, whole: &[String]) {
        assert_eq!(post(&format!("{}/last", self.listen.url()), "{}").status, 200);
        let mut wanted = whole.to_vec();
        wanted.push("/last".to_owned());
        wanted.sort();
        wait_until("all that was whole is settled", || {
            let events = self.hook.events();
            events.len() >= wanted.len() && events.iter().all(|e| e["state"] == "ended")
        });
        let mut seen: Vec<_> = self.app.requests().iter().map(|r| r.target()).collect();
        seen.sort();
        let mut kept: Vec<_> = self.hook.events().iter().map(|e| e["path"].as_str().unwrap().to_owned()).collect();
        kept.sort();
        assert_eq!((&seen, &kept, self.app.broken()), (&wanted, &wanted, 0));
    }
}

/// After the head, and after each tenth of the body.
fn stops(len: usize) -> impl Iterator<Item = usize> {
    (0..10).map(move |tenth| len * tenth / 10)
}

#[test]
fn a_sender_that_leaves_within_its_body_leaves_nothing() {
    leaves_within(1);
}

#[test]
#[ignore = "each case many times"]
fn long_a_sender_that_leaves_within_its_body_leaves_nothing() {
    leaves_within(15);
}

fn leaves_within(times: usize) {
    let stage = stage();
    for _ in 0..times {
        for size in [100, 50_000, 2_000_000] {
            let body = pattern(size);
            for (stop, vanishes) in stops(size).flat_map(|stop| [(stop, false), (stop, true)]) {
                for chunked in [false, true] {
                    let mut sender = Sender::to(&stage.listen.url());
                    if chunked {
                        sender.head("POST", "/half", &[("Transfer-Encoding", b"chunked")]);
                        // One chunk, whose size is told; or all that is sent so far, and no last chunk.
                        let said = if stop.is_multiple_of(20) { size } else { stop };
                        sender.send(format!("{said:x}\r\n"));
                    } else {
                        sender.head("POST", "/half", &[("Content-Length", size.to_string().as_bytes())]);
                    }
                    sender.send(&body[..stop]);
                    if vanishes { sender.vanish() } else { sender.leave() }
                }
            }
        }
    }
    // All chunks, and not the line that ends them.
    for rest in ["3\r\nabc\r\n", "3\r\nabc\r\n0\r\n", "3\r\nabc\r\n0\r\nx-t: 1\r\n"] {
        let mut sender = Sender::to(&stage.listen.url());
        sender.head("POST", "/half", &[("Transfer-Encoding", b"chunked")]).send(rest);
        sender.leave();
    }
    stage.assert_kept(&[]);
}

#[test]
fn a_stream_that_is_reset_within_its_body_leaves_nothing() {
    let stage = stage();
    let mut sender = H2Sender::to(&stage.listen.url());
    let body = pattern(10_000);
    for with_length in [false, true] {
        for stop in stops(body.len()) {
            let fields: &[(&str, &str)] = if with_length { &[("content-length", "10000")] } else { &[] };
            let stream = sender.head("/half", fields);
            if stop > 0 {
                sender.data(stream, &body[..stop], false);
            }
            sender.settle();
            sender.reset(stream);
        }
    }
    // An end that comes too early is no end.
    let stream = sender.head("/half", &[("content-length", "10000")]);
    sender.data(stream, &body[..5_000], true);
    sender.settle();
    stage.assert_kept(&[]);
}

#[test]
fn a_connection_that_goes_takes_its_unfinished_streams_with_it() {
    let stage = stage();
    for _ in 0..10 {
        let mut sender = H2Sender::to(&stage.listen.url());
        for _ in 0..5 {
            let stream = sender.head("/half", &[]);
            sender.data(stream, &pattern(1_000), false);
        }
        sender.settle();
    }
    stage.assert_kept(&[]);
}

#[test]
fn a_sender_that_leaves_after_its_body_leaves_one_event() {
    let (stage, gate) = (stage(), Gate::closed());
    let slow = gate.clone();
    stage.app.answers_with(
        move |r| {
            if r.target() == "/last" { Answer::ok("ok") } else { Answer::ok("too late").after(&slow) }
        },
    );
    let mut wanted = Vec::new();
    for (n, vanishes) in [false, true, false, true].into_iter().enumerate() {
        wanted.push(format!("/h1-{n}"));
        let mut sender = Sender::to(&stage.listen.url());
        let body = pattern(if n < 2 { 100 } else { 1_500_000 });
        sender.head("POST", &wanted[n], &[("Content-Length", body.len().to_string().as_bytes())]).send(&body);
        stage.app.request(n + 1);
        if vanishes { sender.vanish() } else { sender.leave() }
    }
    let mut sender = H2Sender::to(&stage.listen.url());
    for n in 0..6 {
        wanted.push(format!("/h2-{n}"));
        let stream = sender.head(wanted.last().unwrap(), &[]);
        sender.data(stream, &pattern(1_000 * n), true);
        stage.app.request(5 + n);
        sender.reset(stream);
    }
    sender.settle();
    gate.open();
    stage.listen.wait_for_type("attempt", wanted.len());
    stage.assert_kept(&wanted);
}

#[test]
fn a_sender_that_leaves_at_the_last_byte_leaves_at_most_one_event() {
    let stage = stage();
    let count = 60;
    for n in 0..count {
        let mut sender = Sender::to(&stage.listen.url());
        sender.head("POST", &format!("/{n}"), &[("Content-Length", b"2")]).send("{}");
        // Nobody can say whether the relay had read it all.
        if n % 2 == 0 { sender.vanish() } else { sender.leave() }
    }
    assert_eq!(post(&format!("{}/last", stage.listen.url()), "{}").status, 200);
    wait_until("all that was kept is settled", || stage.hook.events().iter().all(|e| e["state"] == "ended"));
    let sorted = |mut all: Vec<String>| {
        all.sort();
        all
    };
    let kept = sorted(stage.hook.events().iter().map(|e| e["path"].as_str().unwrap().to_owned()).collect());
    let seen = sorted(stage.app.requests().iter().map(|r| r.target()).collect());
    let mut once = seen.clone();
    once.dedup();
    assert_eq!((&seen, &seen), (&once, &kept), "what is kept is whole and went out once");
    assert!(seen.len() <= count + 1 && stage.app.broken() == 0);
}
