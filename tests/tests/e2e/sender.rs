//! The sender dawdles, or says much on one connection.

use hook_tests::{Answer, App, Hook, Sender, post};

#[test]
fn a_slow_sender_is_seen_by_the_app_only_when_its_request_is_whole() {
    let (hook, app) = (Hook::new(), App::new());
    let listen = hook.listen(["--forward-to", &app.url()]);
    let mut sender = Sender::to(&listen.url());
    let request = format!("POST {}/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nhello, world", sender.path());
    let (last, most) = request.as_bytes().split_last().unwrap();
    for byte in most {
        sender.send([*byte]);
    }
    // Another one overtakes it.
    assert_eq!(post(&listen.url(), "{}").status, 200);
    assert_eq!((app.count(), app.broken()), (1, 0));
    assert_eq!(sender.send([*last]).response().status, 200);
    let slow = app.request(2);
    assert_eq!((slow.target(), slow.body.as_slice()), ("/slow".into(), b"hello, world".as_slice()));
}

#[test]
fn many_requests_on_one_connection_are_many_events() {
    let (hook, app) = (Hook::new(), App::new());
    app.answers_with(|r| Answer::ok(r.target()));
    let listen = hook.listen(["--forward-to", &app.url()]);
    let mut sender = Sender::to(&listen.url());
    for n in 0..20 {
        let reply = sender.head("POST", &format!("/{n}"), &[("Content-Length", b"2")]).send("{}").response();
        assert_eq!(reply.text(), format!("/{n}"));
    }
    // Pipelined, their answers come in order.
    for n in 20..25 {
        sender.head("POST", &format!("/{n}"), &[("Content-Length", b"2")]).send("{}");
    }
    for n in 20..25 {
        assert_eq!(sender.response().text(), format!("/{n}"));
    }
    assert_eq!(hook.events().len(), 25);
}
