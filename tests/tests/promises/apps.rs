//! The app is slow, comes and goes, and breaks off: who hears what, what is kept, and what is never sent twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hook_tests::{Answer, App, Dice, Gate, Hook, LIVENESS, Response, Sender, post, wait_at_most, wait_until};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_millis(500);

fn number(target: &str) -> usize {
    target.trim_start_matches('/').parse().unwrap()
}

/// Posts `/0` … from several threads; gives what each heard.
fn post_all(url: &str, count: usize, threads: usize) -> Vec<Response> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut heard: Vec<(usize, Response)> = std::thread::scope(|scope| {
        let work = || {
            let mut heard = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::SeqCst);
                if n >= count {
                    return heard;
                }
                heard.push((n, post(&format!("{url}/{n}"), "{}")));
            }
        };
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    heard.sort_by_key(|(n, _)| *n);
    heard.into_iter().map(|(_, response)| response).collect()
}

/// The journal's events by the number in their path.
fn kept(hook: &Hook) -> HashMap<usize, Value> {
    hook.events().into_iter().map(|event| (number(event["path"].as_str().unwrap()), event)).collect()
}

#[test]
fn a_slow_app_answers_whom_it_can_and_the_others_hear_queued() {
    slow(150);
}

#[test]
#[ignore = "a thousand slow answers"]
fn long_a_slow_app_answers_whom_it_can() {
    slow(2_000);
}

/// Latencies of a Pareto distribution, with one in twenty beyond the deadline.
fn slow(count: usize) {
    let mut dice = Dice::new("slow app");
    let shape = 1.5;
    let least = DEADLINE.as_secs_f64() * 0.05_f64.powf(1.0 / shape);
    let mut latencies: Vec<Duration> = (0..count)
        .map(|_| least * (1.0 - dice.below(1_000_000) as f64 / 1e6).powf(-1.0 / shape))
        .map(|seconds| Duration::from_secs_f64(seconds.min(2.0)))
        .collect();
    // One at least is surely late, and one surely not.
    (latencies[0], latencies[1]) = (2 * DEADLINE, Duration::ZERO);
    let (hook, app) = (Hook::new(), App::new());
    let given = latencies.clone();
    app.answers_with(move |r| {
        let n = number(&r.target());
        std::thread::sleep(given[n]);
        Answer::status("201 Created").body(format!("answer {n}"))
    });
    let args =
        ["--forward-to", &app.url(), "--reply-within", &format!("{}ms", DEADLINE.as_millis()), "--concurrency", "64"];
    let listen = hook.listen(args);
    let heard = post_all(&listen.url(), count, 12);
    listen.wait_for_type("attempt", count);
    for (n, (reply, latency)) in heard.iter().zip(&latencies).enumerate() {
        if !reply.is_queued() {
            assert_eq!((reply.status, reply.text()), (201, format!("answer {n}")), "the app's own answer");
        }
        // A machine that is busy looks at its timers late; twice the time is late on any.
        assert!(
            reply.is_queued() || *latency < 2 * DEADLINE,
            "{n} answered after {latency:?}, and its sender heard that"
        );
    }
    assert!(heard.iter().any(Response::is_queued) && heard.iter().any(|reply| reply.status == 201));
    assert_eq!(app.count(), count, "late is not lost, and nothing is sent twice");
    for (n, event) in kept(&hook) {
        assert_eq!(event["state"], "ended");
        if heard[n].is_queued() {
            let attempts = hook.attempts(&event["seq"].to_string());
            assert_eq!((attempts.len(), &attempts[0]["status"]), (1, &201.into()), "the late answer is recorded");
        }
    }
}

/// Opens and closes the app's port until it is told to stop; leaves it open.
fn flapping<T>(app: &App, dice: &mut Dice, work: impl FnOnce() -> T + Send) -> T
where
    T: Send,
{
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            let result = work();
            done.store(true, Ordering::SeqCst);
            result
        });
        // It goes for the first time as soon as it was seen to be there, since a quick machine has soon done the work.
        while app.count() == 0 && !done.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        let mut up_for = 0;
        while !done.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(up_for));
            up_for = 50 + dice.below(250) as u64;
            app.stop();
            std::thread::sleep(Duration::from_millis(20 + dice.below(250) as u64));
            app.start();
        }
        working.join().unwrap()
    })
}

/// One in five is a 500.
fn fails_now_and_then(app: &App) {
    app.answers_with(|r| {
        let n = number(&r.target());
        if n.is_multiple_of(5) { Answer::status("500 Oops").body("oops") } else { Answer::ok(format!("answer {n}")) }
    });
}

#[test]
fn an_app_that_comes_and_goes_is_said_to_senders_as_it_is() {
    flaps_live(400);
}

#[test]
#[ignore = "thousands of requests"]
fn long_an_app_that_comes_and_goes_is_said_to_senders_as_it_is() {
    flaps_live(8_000);
}

fn flaps_live(count: usize) {
    let mut dice = Dice::new("flapping app");
    let (hook, app) = (Hook::new(), App::new());
    fails_now_and_then(&app);
    let listen = hook.listen(["--forward-to", &app.url()]);
    let url = listen.url();
    let heard = flapping(&app, &mut dice, || post_all(&url, count, 3));
    listen.wait_for_type("attempt", count);
    let mut seen: HashMap<usize, usize> = HashMap::new();
    app.requests().iter().for_each(|r| *seen.entry(number(&r.target())).or_default() += 1);
    let kept = kept(&hook);
    assert_eq!(kept.len(), count);
    let mut undelivered = 0;
    for (n, reply) in heard.iter().enumerate() {
        let (state, seen) = (kept[&n]["state"].as_str().unwrap(), seen.get(&n).copied().unwrap_or(0));
        let said = (reply.status, state, seen);
        match reply.status {
            200 => assert_eq!((reply.text(), state, seen), (format!("answer {n}"), "ended", 1), "{n}"),
            500 => assert_eq!((reply.text().as_str(), state, seen), ("oops", "ended", 1), "{n}: as the app said it"),
            502 if state == "undelivered" => {
                undelivered += 1;
                assert_eq!(seen, 0, "{n}: {reply:?}");
            }
            // Its bytes were on their way when the app went.
            502 => assert!(state == "ended" && seen <= 1, "{n}: {said:?}"),
            _ => panic!("{n}: {said:?}"),
        }
    }
    assert!(undelivered > 0, "the app was never down");
    // What was not delivered is not sent by itself; a person may.
    let before = app.count();
    assert_eq!(post(&format!("{url}/1"), "{}").status, 200);
    assert_eq!(app.count(), before + 1);
    hook.run(["replay", "--undelivered"]);
    wait_until("a person's replay delivers them", || app.count() == before + 1 + undelivered);
}

#[test]
fn with_hold_an_app_that_comes_and_goes_gets_all_in_order() {
    flaps_held(250);
}

#[test]
#[ignore = "thousands of requests"]
fn long_with_hold_an_app_that_comes_and_goes_gets_all_in_order() {
    flaps_held(4_000);
}

fn flaps_held(count: usize) {
    let mut dice = Dice::new("flapping app, held");
    let (hook, app) = (Hook::new(), App::new());
    fails_now_and_then(&app);
    let listen = hook.listen(["--forward-to", &app.url(), "--hold", "--concurrency", "1"]);
    let url = listen.url();
    let heard = flapping(&app, &mut dice, || post_all(&url, count, 1));
    wait_at_most(LIVENESS * 3, "nothing is owed any more", || {
        hook.events().iter().all(|event| event["state"] == "ended").then_some(())
    });
    let mut seen: Vec<usize> = app.requests().iter().map(|r| number(&r.target())).collect();
    assert!(seen.is_sorted(), "in order of arrival: {seen:?}");
    let all = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), all, "each once");
    let events = kept(&hook);
    let mut queued = 0;
    for (n, reply) in heard.iter().enumerate() {
        queued += usize::from(reply.is_queued());
        if !seen.contains(&n) {
            // Its bytes were on their way when the app went; what the app made of them nobody knows.
            let attempts = hook.attempts(&events[&n]["seq"].to_string());
            let last = attempts.last().unwrap();
            assert!(
                ["closed", "reset", "answer_broken"].contains(&last["error"].as_str().unwrap()),
                "{n}: {attempts:?}"
            );
        }
    }
    assert!(queued > 0, "the app was never down");
}

/// What an app may do to its answer; each is a whole connection's bytes.
fn broken_answers() -> Vec<(String, Vec<u8>)> {
    let head = "HTTP/1.1 200 OK\r\n";
    let long = format!("{head}content-length: 1000000\r\n\r\n");
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    let mut case = |name: &str, bytes: Vec<u8>| cases.push((name.to_owned(), bytes));
    let whole = format!("{head}content-type: text/plain\r\ncontent-length: 5\r\n\r\nhello");
    for cut in [1, 8, 12, 16, 17, 30, 60, whole.len() - 6, whole.len() - 5, whole.len() - 1] {
        case(&format!("cut after {cut} bytes"), whole.as_bytes()[..cut].to_vec());
    }
    for (name, body) in [("nothing", 0), ("a little", 10), ("64 KiB", 65_536), ("all but one byte", 999_999)] {
        case(&format!("{name} of what was promised"), [long.as_bytes(), &vec![b'x'; body]].concat());
    }
    for (name, rest) in [
        ("no chunk", ""),
        ("half a size line", "5"),
        ("half a chunk", "5\r\nhel"),
        ("no end of a chunk", "5\r\nhello"),
        ("no last chunk", "5\r\nhello\r\n"),
        ("half a last chunk", "5\r\nhello\r\n0\r\n"),
        ("a chunk longer than its size", "5\r\nhello world\r\n0\r\n\r\n"),
        ("a size that is no number", "zz\r\nhello\r\n0\r\n\r\n"),
        ("a size that overflows", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        ("a negative size", "-5\r\nhello\r\n0\r\n\r\n"),
    ] {
        case(name, format!("{chunked}{rest}").into_bytes());
    }
    for (name, bytes) in [
        ("two lengths", format!("{head}content-length: 5\r\ncontent-length: 6\r\n\r\nhello")),
        ("a length that is no number", format!("{head}content-length: five\r\n\r\nhello")),
        ("interim answers and no answer", "HTTP/1.1 100 Continue\r\n\r\n".repeat(2_000)),
        ("a field without end", format!("{head}x: {}", "y".repeat(1_000_000))),
        ("fields without end", format!("{head}{}", "x: y\r\n".repeat(100_000))),
        ("an answer of HTTP/9.9", "HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()),
        ("words", "I am not HTTP.\r\n\r\n".to_owned()),
    ] {
        case(name, bytes.into_bytes());
    }
    cases
}

#[test]
fn an_app_that_breaks_off_its_answer_is_never_taken_for_whole() {
    broken_off(1);
}

#[test]
#[ignore = "each case many times"]
fn long_an_app_that_breaks_off_its_answer_is_never_taken_for_whole() {
    broken_off(10);
}

fn broken_off(times: usize) {
    let (hook, app) = (Hook::new(), App::new());
    let cases = Arc::new(broken_answers());
    let script = cases.clone();
    app.answers_with(move |r| match r.target().as_str() {
        "/fine" => Answer::ok("fine"),
        target => Answer::raw(script[number(target)].1.clone()),
    });
    let listen = hook.listen(["--forward-to", &app.url()]);
    let mut sent = 0;
    for _ in 0..times {
        for (n, (name, _)) in cases.iter().enumerate() {
            let mut sender = Sender::to(&format!("{}/{n}", listen.url()));
            sender.head("POST", "", &[("Content-Length", b"2")]).send("{}");
            // The beginning of a broken answer may have left already; then it breaks off for its sender, too.
            let heard = sender.try_response().ok().filter(|reply| reply.whole);
            assert!(heard.as_ref().is_none_or(|reply| reply.status == 502), "{name}: {heard:?}");
            sent += 1;
            let attempt = listen.attempt(sent);
            assert!(attempt["error"].is_string(), "{name}: {attempt}");
        }
        assert_eq!(post(&format!("{}/fine", listen.url()), "{}").text(), "fine", "nobody else is harmed");
        sent += 1;
        listen.attempt(sent);
    }
    assert_eq!(app.count(), sent, "what an app may have acted upon is not sent again");
    assert!(hook.events().iter().all(|event| event["state"] == "ended"));
    assert!(listen.of_type("tunnel").iter().all(|t| t["state"] != "reconnecting"), "the session goes on");
}

#[test]
fn an_answer_without_end_holds_up_nobody_and_ends_with_its_sender() {
    let (hook, app, each) = (Hook::new(), App::new(), Gate::closed());
    let endless = each.clone();
    app.answers_with(move |r| match r.target().as_str() {
        "/endless" => Answer::status("200 OK").streamed(vec![vec![b'x'; 65_536]; 10_000], &endless),
        _ => Answer::ok("fine"),
    });
    let listen = hook.listen(["--forward-to", &app.url(), "--timeout", "3s"]);
    let mut sender = Sender::to(&listen.url());
    sender.head("GET", "/endless", &[]);
    (0..40).for_each(|_| each.step());
    assert_eq!(sender.response_head().word(1), "200");
    sender.read(2_000_000);
    assert_eq!(post(&listen.url(), "{}").text(), "fine");
    sender.vanish();
    (0..40).for_each(|_| each.step());
    assert_eq!(post(&listen.url(), "{}").text(), "fine");
    // Three seconds after its beginning it is over; its end is recorded, and what came of it.
    let endless = listen.wait_for("its end", |r| r["type"] == "attempt" && r["error"].is_string());
    assert_eq!((&endless["status"], &endless["error"]), (&200.into(), &"timeout".into()));
    assert!(endless["response_size"].as_u64().unwrap() >= 2_000_000);
}
