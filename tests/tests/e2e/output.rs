//! Whoever reads the output, or does not, has no say in whether webhooks arrive.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use hook_tests::{App, Hook, post};

#[test]
fn an_output_that_nobody_reads_stalls_nothing() {
    for json in [true, false] {
        let (hook, app) = (Hook::new(), App::new());
        let mut command = hook.command(["listen", "-v", "--forward-to", &app.url()]);
        if json {
            command.args(["--output", "json", "--body"]);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut out, mut err) =
            (BufReader::new(child.stdout.take().unwrap()), BufReader::new(child.stderr.take().unwrap()));
        // What a person reads before turning to something else, with the terminal stopped by Ctrl-S or a pager.
        let mut url = String::new();
        while url.is_empty() {
            let mut line = String::new();
            let read = if json { out.read_line(&mut line) } else { err.read_line(&mut line) };
            assert!(read.unwrap() > 0, "it ended");
            url = line
                .split(['"', ' ', '\n'])
                .find(|w| w.starts_with("http://") && w.matches('/').count() == 3)
                .map_or(String::new(), str::to_owned);
            if url.contains(&app.port().to_string()) {
                url.clear();
            }
        }
        // More than any pipe holds.
        for n in 0..100 {
            assert_eq!(post(&url, "x".repeat(5000)).text(), "ok", "event {n}, json: {json}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((app.count(), hook.events().len()), (100, 100));
    }
}

#[test]
fn an_output_that_is_closed_ends_it_like_any_filter() {
    let (hook, app) = (Hook::new(), App::new());
    for n in 0..3 {
        let listen = hook.listen(["--forward-to", &app.url()]);
        post(&format!("{}/{n}", listen.url()), "{}");
        listen.event(1);
        listen.bye();
    }
    let mut child = hook.command(["events"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "no word about a broken pipe");
}
