//! The line log, story by story: what is on stdout, what is on stderr (ux §1.2, §1.3, §1.5).

use std::io::{Read, Write};
use std::net::TcpListener;

use hook_tests::{Answer, App, Gate, Hook, Sender, post, request, wait_until};
use insta::assert_snapshot;

use crate::plain::Plain;
use crate::screen::Screen;

#[test]
fn the_app_is_up() {
    let (hook, app) = (Hook::new(), App::new());
    let screen = Screen::stripe(&hook, &app, &[]);
    let url = screen.url();
    post(&url, r#"{"type":"payment_intent.succeeded"}"#);
    screen.line(1);
    request("GET", &format!("{url}/health?deep=1&x=%20"), &[], "");
    screen.line(2);
    request("DELETE", &format!("{url}/{}", "long/".repeat(40)), &[], "");
    screen.line(3);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn the_app_has_no_path_of_its_own() {
    let (hook, app) = (Hook::new(), App::new());
    let screen = Screen::listen(&hook, Plain::of(&hook).app(&app), &["--forward-to", &app.port().to_string()]);
    post(&format!("{}/webhooks/stripe", screen.url()), "{}");
    screen.line(1);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn the_app_is_down_and_comes_up() {
    let (hook, app) = (Hook::new(), App::stopped());
    let screen = Screen::stripe(&hook, &app, &[]);
    post(&screen.url(), "{}");
    screen.line(1).nexts(1);
    app.start();
    screen.err("app is up: ").nexts(2);
    post(&screen.url(), "{}");
    screen.line(2);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn the_app_is_down_at_the_end() {
    let (hook, app) = (Hook::new(), App::stopped());
    let screen = Screen::stripe(&hook, &app, &[]);
    post(&screen.url(), "{}");
    screen.line(1).nexts(1);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn held_events_wait_for_the_app() {
    let (hook, app) = (Hook::new(), App::stopped());
    let screen = Screen::stripe(&hook, &app, &["--hold"]);
    post(&screen.url(), "{}").assert_queued();
    post(&screen.url(), "{}").assert_queued();
    screen.nexts(2);
    app.start();
    wait_until("both are forwarded", || screen.process().stdout.text().matches(" 200 ").count() == 2);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn failures_that_repeat_are_counted() {
    let (hook, app) = (Hook::new(), App::stopped());
    let screen = Screen::stripe(&hook, &app, &[]);
    for n in 1..=10 {
        post(&screen.url(), "{}");
        screen.line(n);
    }
    assert_snapshot!(screen.interrupted());
}

#[test]
fn no_answer_until_the_timeout() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("late").after(&gate)));
    let screen = Screen::stripe(&hook, &app, &["--timeout", "200ms"]);
    post(&screen.url(), "{}");
    screen.line(1).nexts(1);
    gate.open();
    assert_snapshot!(screen.interrupted());
}

#[test]
fn slower_than_the_sender_waits() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::answering(Answer::ok("late").after(&gate)));
    let screen = Screen::stripe(&hook, &app, &["--reply-within", "100ms"]);
    post(&screen.url(), "{}").assert_queued();
    screen.nexts(1);
    gate.open();
    screen.line(1);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn the_sender_leaves_before_its_answer() {
    let gate = Gate::closed();
    let (hook, app) = (Hook::new(), App::new());
    let screen = Screen::stripe(&hook, &app, &[]);
    app.answers(Answer::ok("late").after(&gate));
    let mut sender = Sender::to(&screen.url());
    sender.head("POST", "", &[("Content-Length", b"2")]).send("{}");
    app.request(1);
    sender.vanish();
    // The next one's answer comes after the relay has seen the first one leave.
    app.answers(Answer::ok("ok"));
    post(&screen.url(), "{}");
    screen.line(2);
    gate.open();
    screen.line(1).err("the sender left");
    assert_snapshot!(screen.interrupted());
}

#[test]
fn captured_without_a_target() {
    let hook = Hook::new();
    let screen = Screen::listen(&hook, Plain::of(&hook), &[]);
    post(&format!("{}/stripe", screen.url()), "{}");
    screen.line(1);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn answered_at_once_and_forwarded_behind() {
    let (hook, app) = (Hook::new(), App::answering(Answer::status("500 Oops")));
    let screen = Screen::stripe(&hook, &app, &["--respond", "202"]);
    assert_eq!(post(&screen.url(), "{}").status, 202);
    screen.line(1).nexts(1);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn left_out_by_a_filter() {
    let (hook, app) = (Hook::new(), App::new());
    let screen = Screen::stripe(&hook, &app, &["--filter", "path:/paid"]);
    post(&format!("{}/paid", screen.url()), "{}");
    screen.line(1);
    post(&format!("{}/other", screen.url()), "{}");
    screen.line(2);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn a_path_that_leaves_the_target() {
    let (hook, app) = (Hook::new(), App::new());
    let screen = Screen::stripe(&hook, &app, &[]);
    request("POST", &format!("{}/../../admin", screen.url()), &[], "{}");
    screen.line(1).nexts(1);
    // How it is counted is in wanted.rs.
    assert_snapshot!(screen.interrupted().split("Stopped. ").next().unwrap());
}

#[test]
fn several_targets() {
    let (hook, app, other) = (Hook::new(), App::new(), App::stopped());
    let plain = Plain::of(&hook).app(&app).port(other.port(), 4000);
    let (stripe, github) = (format!("/stripe=localhost:{}/s", app.port()), format!("/github={}", other.port()));
    let screen = Screen::listen(&hook, plain, &["--forward-to", &stripe, "--forward-to", &github]);
    let url = screen.url();
    post(&format!("{url}/stripe/live"), "{}");
    screen.line(1);
    post(&format!("{url}/github"), "{}");
    screen.line(2).nexts(1);
    post(&format!("{url}/elsewhere"), "{}");
    screen.line(3);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn the_endpoints_of_a_file() {
    let (hook, app) = (Hook::new(), App::new());
    let file = format!(
        "[[endpoint]]\nname = \"shop\"\nforward-to = \"localhost:{0}/shop\"\n\n[[endpoint]]\nname = \"bank\"\nforward-to = \"localhost:{0}\"\n",
        app.port()
    );
    std::fs::write(hook.project().join("hook.toml"), file).unwrap();
    let plain = Plain::of(&hook).app(&app).with(r"127\.0\.0\.1:\d+/(shop|bank)", "127.0.0.1:8080/$1");
    let screen = Screen::listen(&hook, plain, &[]);
    post(&screen.url(), "{}");
    screen.line(1);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn the_demo() {
    let hook = Hook::new();
    let screen = Screen::listen(&hook, Plain::of(&hook), &["--demo"]);
    screen.line(3).nexts(1);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn until_it_matches() {
    let (hook, app) = (Hook::new(), App::new());
    let screen = Screen::stripe(&hook, &app, &["--until", "path:/paid status:2xx", "--timeout-after", "30s"]);
    let url = screen.url();
    post(&format!("{url}/other"), "{}");
    screen.line(1);
    post(&format!("{url}/paid"), "{}");
    assert_snapshot!(screen.ended());
}

#[test]
fn until_its_time_is_up() {
    let (hook, app) = (Hook::new(), App::new());
    let screen = Screen::stripe(&hook, &app, &["--until", "path:/paid", "--timeout-after", "1s"]);
    assert_snapshot!(screen.ended());
}

/// A request with some of everything that -v shows.
fn seen_in_full(args: &[&str]) -> String {
    let (hook, app) = (Hook::new(), App::new());
    let long: Vec<String> = (1..=60).map(|n| format!("line {n}")).collect();
    app.answers(
        Answer::status("422 Unprocessable")
            .header("Content-Type", "text/plain")
            .header("X-Twice", "1")
            .header("X-Twice", "2")
            .body(long.join("\n")),
    );
    let screen = Screen::stripe(&hook, &app, args);
    let body = r#"{"id":9007199254740993,"amount":1.0,"a":1,"a":2,"nested":{"e":1e5,"s":"\/ü"},"list":[]}"#;
    let fields: [(&str, &[u8]); 3] =
        [("Content-Type", b"application/json"), ("X-Odd", b"\xff\xfe"), ("User-Agent", b"Stripe/1.0")];
    request("POST", &format!("{}/a?b=c", screen.url()), &fields, body);
    screen.line(1).nexts(1);
    screen.interrupted()
}

#[test]
fn verbose() {
    assert_snapshot!(seen_in_full(&["-v"]));
}

#[test]
fn very_verbose() {
    assert_snapshot!(seen_in_full(&["-vv"]));
}

/// One answer that is not 2xx: its line, what it means, and what to do.
fn answered(answer: Answer) -> String {
    answered_to(answer, "application/json", "{}")
}

fn answered_to(answer: Answer, kind: &str, body: &str) -> String {
    let (hook, app) = (Hook::new(), App::answering(answer));
    let screen = Screen::stripe(&hook, &app, &[]);
    request("POST", &screen.url(), &[("Content-Type", kind.as_bytes())], body);
    screen.line(1).nexts(1);
    let all = screen.interrupted();
    // The banner has its own golden files.
    let (before, behind) = all.split_once("--- stderr\n").unwrap();
    let said = &behind[behind.find("          │").unwrap()..];
    format!("{}--- stderr\n…\n{said}", before.split_once('\n').unwrap().1)
}

const HTML: &str =
    "<!doctype html><html><head><title>\n  NoMethodError at /webhooks/stripe </title></head><body>long</body>";

#[test]
fn answers_500() {
    let json = r#"{"error":"Cannot read properties of undefined (reading 'id')"}"#;
    let answers = [
        Answer::status("500 Internal Server Error").header("Content-Type", "application/json").body(json),
        Answer::status("500 Internal Server Error").header("Content-Type", "text/html; charset=utf-8").body(HTML),
        Answer::status("503 Service Unavailable")
            .header("Content-Type", "text/plain")
            .body("\n\n  warming up  \nplease wait\n"),
        Answer::status("500 Oops")
            .header("Content-Type", "image/png")
            .body([0x89, b'P', b'N', b'G', 0, 0, 1, 2].repeat(150)),
        Answer::status("500 Oops").body("word ".repeat(60)),
        Answer::status("500 Oops"),
    ];
    assert_snapshot!(answers.map(answered).join("\n"));
}

#[test]
fn answers_redirect() {
    let to = |status: &str, place: &str| answered(Answer::status(status).header("Location", place));
    let all = [
        to("308 Permanent Redirect", "/webhooks/stripe/"),
        to("302 Found", "https://example.com/login?next=%2Fwebhooks&x=1"),
        to("301 Moved", "login"),
    ];
    assert_snapshot!(all.join("\n"));
}

#[test]
fn answers_csrf() {
    let html = "<html><title>403 Forbidden</title><h1>CSRF verification failed. Request aborted.</h1>";
    let all = [
        answered(Answer::status("403 Forbidden").header("Content-Type", "text/html").body(html)),
        answered(Answer::status("401 Unauthorized").body("ActionController::InvalidAuthenticityToken")),
    ];
    assert_snapshot!(all.join("\n"));
}

#[test]
fn answers_host_check() {
    let all = [
        answered(Answer::status("403 Forbidden").body("Blocked hosts: localhost")),
        answered(Answer::status("403 Forbidden").body("Invalid Host header")),
        answered(Answer::status("403 Forbidden").body("Blocked request. This host (\"x\") is not allowed.")),
    ];
    assert_snapshot!(all.join("\n"));
}

#[test]
fn answers_404() {
    let all = [
        answered(
            Answer::status("404 Not Found")
                .header("Content-Type", "text/html")
                .body("<pre>Cannot POST /webhooks/stripe</pre>"),
        ),
        answered(Answer::status("405 Method Not Allowed").header("Allow", "GET")),
    ];
    assert_snapshot!(all.join("\n"));
}

#[test]
fn answers_4xx() {
    let all = [
        answered(
            Answer::status("400 Bad Request")
                .body("Webhook Error: No signatures found matching the expected signature for payload"),
        ),
        answered(Answer::status("401 Unauthorized")),
        answered_to(Answer::status("413 Payload Too Large"), "application/json", &" ".repeat(1_200_000)),
        answered(Answer::status("415 Unsupported Media Type")),
        answered(Answer::status("422 Unprocessable Content").body("\n  id is missing  \n")),
    ];
    assert_snapshot!(all.join("\n"));
}

#[test]
fn answers_nothing_whole() {
    let all = [
        answered(Answer::close()),
        answered(Answer::reset()),
        answered(Answer::close_midway()),
        answered(Answer::raw("SSH-2.0-OpenSSH_9.2\r\n")),
    ];
    assert_snapshot!(all.join("\n"));
}

#[test]
fn tls_to_a_plain_port() {
    // A server that refuses at the first bytes that are not HTTP, as most do.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    let hook = Hook::new();
    let target = format!("https://localhost:{port}/webhooks/stripe");
    let screen = Screen::listen(&hook, Plain::of(&hook).port(port, 3000), &["--forward-to", &target]);
    post(&screen.url(), "{}");
    screen.line(1).nexts(1);
    assert_snapshot!(screen.interrupted());
}

#[test]
fn something_listens_elsewhere() {
    // One of the usual ports that is free here; whichever of them answers first may be named.
    let ports = [3000, 3001, 4000, 4242, 5000, 5173, 8000, 8080, 8888];
    let _there = ports.iter().find_map(|port| TcpListener::bind(("127.0.0.1", *port)).ok());
    let (hook, app) = (Hook::new(), App::stopped());
    let screen = Screen::stripe(&hook, &app, &[]);
    screen.process().interrupt();
    let stderr = screen.process().output().stderr;
    let named = ports.iter().any(|port| {
        let next =
            format!("Something listens on {port}. next: hook listen --forward-to localhost:{port}/webhooks/stripe\n");
        stderr.contains(&next)
    });
    assert!(named, "{stderr}");
}
