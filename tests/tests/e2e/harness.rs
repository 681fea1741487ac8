//! The harness against itself, with no hook between: what it claims to see, it sees.

use hook_tests::{Answer, App, Gate, Sender, post};

#[test]
fn bytes_are_recorded_as_they_came() {
    let app = App::new();
    let mut sender = Sender::to(&app.at("/a"));
    sender.head("PUT", "/../b?c", &[("X-A", b"\xff"), ("x-a", b""), ("Transfer-Encoding", b"chunked")]);
    sender.send("3;e=1\r\nabc\r\n1\r\nd\r\n0\r\nX-T: 1\r\n\r\n");
    assert_eq!((sender.response().status, app.count()), (200, 1));
    let request = app.request(1);
    assert_eq!((request.method(), request.target()), ("PUT".into(), "/a/../b?c".into()));
    assert_eq!(request.values("x-A"), [b"\xff".to_vec(), vec![]]);
    assert_eq!((&request.body, &request.chunks), (&b"abcd".to_vec(), &vec![3, 1]));
    assert_eq!(request.trailers, [("X-T".to_owned(), b"1".to_vec())]);
}

#[test]
fn what_breaks_off_is_not_whole() {
    let app = App::answering(Answer::close_midway());
    let reply = post(&app.url(), "{}");
    assert_eq!((reply.status, reply.whole, reply.text().as_str()), (200, false, "hello"));
    app.answers(Answer::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"));
    assert!(!post(&app.url(), "{}").whole);
    for answer in [Answer::close(), Answer::reset()] {
        app.answers(answer);
        let mut sender = Sender::to(&app.url());
        sender.head("GET", "/", &[]);
        assert!(sender.try_response().is_err());
    }
    let mut sender = Sender::to(&app.url());
    sender.head("POST", "/", &[("Content-Length", b"5")]).send("1234");
    sender.leave();
    hook_tests::wait_until("it is noticed", || app.broken() == 1);
}

#[test]
fn a_stopped_app_refuses_and_comes_back() {
    let app = App::new();
    assert_eq!(post(&app.url(), "{}").status, 200);
    let mut open = Sender::to(&app.url());
    app.stop();
    assert!(Sender::try_to(&app.url()).is_err());
    assert!(open.try_head("GET", "/", &[]).and_then(|()| open.try_response()).is_err());
    app.start();
    assert_eq!((post(&app.url(), "{}").status, app.count()), (200, 2));
}

#[test]
fn a_gate_holds_an_answer_and_a_stream() {
    let gate = Gate::closed();
    let app = App::answering(Answer::status("200 OK").streamed(["a", "b"], &gate).trailer("X-T", "1"));
    let mut sender = Sender::to(&app.url());
    sender.head("GET", "/", &[]);
    assert_eq!(sender.response_head().word(1), "200");
    gate.step();
    assert_eq!(sender.read(6), b"1\r\na\r\n");
    gate.open();
    assert_eq!(sender.read(6), b"1\r\nb\r\n");
    assert_eq!(sender.read(13), b"0\r\nX-T: 1\r\n\r\n");
}
