//! What the app is sent: the event's own fields, less those of the hop, plus hook's few (DESIGN §5, "Fidelity";
//! docs/fidelity.md lists every difference).

use std::borrow::Cow;

use hook_proto::{EventHead, Header, HeaderList};
use hook_relay_server::is_hop_by_hop;

use crate::target::Target;

/// What a person asked to be different towards the app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    pub host: HostField,
    /// `--header`: set, in place of the event's own of that name.
    pub headers: HeaderList,
    /// `--as-received`: with no marks of hook's own, and signed as it came.
    pub as_received: bool,
    /// `--app-url`: what the app takes itself to be called by, in place of the target.
    pub app_url: Option<Target>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HostField {
    /// The target's own.
    #[default]
    Target,
    /// As the sender said it.
    Preserve,
    Given(String),
}

/// The marks by which an app can tell attempts of one event apart.
#[derive(Debug, Clone, Copy)]
pub struct Marks<'a> {
    pub event_id: &'a str,
    pub attempt: u32,
    pub replay: bool,
}

/// The header fields of an attempt, framing left to hyper.
pub fn fields(event: &EventHead, target: &Target, shape: &Shape, marks: &Marks<'_>) -> HeaderList {
    let named_by_connection: Vec<String> = event
        .headers
        .iter()
        .filter(|h| h.name == "connection")
        .flat_map(|h| {
            String::from_utf8_lossy(&h.value).to_ascii_lowercase().split(',').map(str::to_owned).collect::<Vec<_>>()
        })
        .map(|name| name.trim().to_owned())
        .collect();
    let replaced = |name: &str| shape.headers.iter().any(|h| h.name == name);
    let mut fields = vec![Header::new("host", host(event, target, shape))];
    fields.extend(
        event
            .headers
            .iter()
            .filter(|h| !is_ours(&h.name) && !is_hop_by_hop(&h.name) && !replaced(&h.name))
            .filter(|h| !named_by_connection.contains(&h.name))
            .cloned(),
    );
    if let Some(forwarded) = &event.forwarded {
        let all = [("for", &forwarded.r#for), ("proto", &forwarded.proto), ("host", &forwarded.host)];
        let told = all.iter().map(|(what, value)| (format!("x-forwarded-{what}"), value));
        fields.extend(told.filter(|(n, _)| !replaced(n)).map(|(n, v)| Header::new(n, v.as_bytes().to_vec())));
    }
    if !shape.as_received {
        fields.push(Header::new("hook-event-id", marks.event_id.as_bytes().to_vec()));
        fields.push(Header::new("hook-attempt", marks.attempt.to_string().into_bytes()));
    }
    if marks.replay && !shape.as_received {
        fields.push(Header::new("hook-replay", "1"));
    }
    fields.extend(shape.headers.iter().cloned());
    let trailers = trailers(event);
    if !trailers.is_empty() {
        let names: Vec<&str> = trailers.iter().map(|h| h.name.as_str()).collect();
        fields.push(Header::new("trailer", names.join(", ").into_bytes()));
    }
    fields
}

/// The fields behind the body: not those that hook sets, and not those that must not stand there (RFC 9110 §6.5.1).
pub fn trailers(event: &EventHead) -> HeaderList {
    let forbidden = |name: &str| {
        matches!(
            name,
            "authorization"
                | "cache-control"
                | "content-encoding"
                | "content-range"
                | "content-type"
                | "max-forwards"
                | "set-cookie"
        )
    };
    let stays = |h: &&Header| !is_ours(&h.name) && !is_hop_by_hop(&h.name) && !forbidden(&h.name);
    event.trailers.iter().filter(stays).cloned().collect()
}

/// Fields that hook sets, or that belong to the framing, whatever the sender said.
fn is_ours(name: &str) -> bool {
    // Gateways such as CGI and WSGI read an underscore as a hyphen.
    let name = if name.contains('_') { Cow::from(name.replace('_', "-")) } else { Cow::from(name) };
    matches!(
        name.as_ref(),
        "host"
            | "content-length"
            | "expect"
            | "forwarded"
            | "x-forwarded-for"
            | "x-forwarded-proto"
            | "x-forwarded-host"
    ) || name.starts_with("hook-")
}

/// The URL by which the app takes itself to be called, when it is asked for a path: `--app-url`, else scheme and host as sent.
pub fn url_seen(event: &EventHead, target: &Target, shape: &Shape, path: &str) -> String {
    let Some(app) = &shape.app_url else {
        let scheme = if target.tls { "https" } else { "http" };
        return format!("{scheme}://{}{path}", String::from_utf8_lossy(&host(event, target, shape)));
    };
    let own = app.path.trim_end_matches('/');
    if path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) {
        return app.url(path);
    }
    let rest = path.strip_prefix(target.path.trim_end_matches('/')).unwrap_or(path);
    app.url(&format!("{}{rest}", app.path))
}

fn host(event: &EventHead, target: &Target, shape: &Shape) -> Vec<u8> {
    match &shape.host {
        HostField::Target => target.authority().into_bytes(),
        HostField::Given(host) => host.clone().into_bytes(),
        HostField::Preserve => match event.headers.iter().find(|h| h.name == "host") {
            Some(host) => host.value.to_vec(),
            None => target.authority().into_bytes(),
        },
    }
}

#[cfg(test)]
mod tests {
    use hook_proto::wire::Forwarded;

    use super::*;

    fn sent(headers: &[(&str, &str)], shape: &Shape) -> Vec<String> {
        let event = EventHead {
            headers: headers.iter().map(|(n, v)| Header::new(*n, v.as_bytes().to_vec())).collect(),
            forwarded: Some(Forwarded { r#for: "1.2.3.4".into(), proto: "https".into(), host: "pub".into() }),
            ..EventHead::default()
        };
        let target = "localhost:3000/x".parse().unwrap();
        let marks = Marks { event_id: "E", attempt: 2, replay: true };
        let line = |h: &Header| format!("{}: {}", h.name, String::from_utf8_lossy(&h.value));
        fields(&event, &target, shape, &marks).iter().map(line).collect()
    }

    #[test]
    fn the_senders_fields_arrive_in_order_and_hooks_own_are_added() {
        let headers = [
            ("host", "pub"),
            ("a", "1"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("hook-event-id", "forged"),
            ("x-forwarded-for", "6.6.6.6"),
            ("a", "2"),
        ];
        assert_eq!(
            sent(&headers, &Shape::default()),
            [
                "host: localhost:3000",
                "a: 1",
                "a: 2",
                "x-forwarded-for: 1.2.3.4",
                "x-forwarded-proto: https",
                "x-forwarded-host: pub",
                "hook-event-id: E",
                "hook-attempt: 2",
                "hook-replay: 1",
            ]
        );
    }

    #[test]
    fn a_given_header_replaces_the_senders() {
        let shape = Shape { host: HostField::Preserve, headers: vec![Header::new("a", "mine")], ..Shape::default() };
        let sent = sent(&[("host", "pub"), ("a", "1")], &shape);
        assert_eq!((sent[0].as_str(), sent.last().map(String::as_str)), ("host: pub", Some("a: mine")));
        assert!(!sent.contains(&"a: 1".to_owned()));
    }

    #[test]
    fn as_received_has_no_marks() {
        let shape = Shape { as_received: true, ..Shape::default() };
        assert!(!sent(&[("a", "1")], &shape).iter().any(|h| h.starts_with("hook-")));
    }

    #[test]
    fn the_url_that_the_app_sees_is_said_or_follows_from_what_is_sent() {
        let seen = |target: &str, app_url: Option<&str>, host, path| {
            let event = EventHead { headers: vec![Header::new("host", "pub.example")], ..EventHead::default() };
            let app_url = app_url.map(|url| url.parse().unwrap());
            url_seen(&event, &target.parse().unwrap(), &Shape { host, app_url, ..Shape::default() }, path)
        };
        let given = || HostField::Given("shop.test".into());
        assert_eq!(seen("3000/in", None, HostField::Target, "/in/a?x=1"), "http://localhost:3000/in/a?x=1");
        assert_eq!(seen("https://app.test", None, HostField::Preserve, "/"), "https://pub.example/");
        assert_eq!(seen("3000", None, given(), "/sms"), "http://shop.test/sms");
        for (app_url, seen_as) in [
            ("https://shop.example", "https://shop.example/in/a?x=1"),
            ("https://shop.example/", "https://shop.example/in/a?x=1"),
            ("https://shop.example/in", "https://shop.example/in/a?x=1"),
            ("https://shop.example/i", "https://shop.example/i/a?x=1"),
            ("https://shop.example:8443/api/sms", "https://shop.example:8443/api/sms/a?x=1"),
        ] {
            assert_eq!(seen("3000/in", Some(app_url), given(), "/in/a?x=1"), seen_as, "{app_url}");
        }
    }
}
