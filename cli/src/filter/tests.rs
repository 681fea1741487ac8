use proptest::prelude::*;

use super::*;
use crate::sanitize::sanitize;

/// 2026-03-10 12:00:00 UTC.
const NOW: u64 = 1_773_144_000_000;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

fn parse(query: &str) -> Filter {
    Filter::parse(query, NOW, 3600).unwrap_or_else(|error| panic!("{query}: {error}"))
}

fn error(query: &str) -> FilterError {
    Filter::parse(query, NOW, 3600).err().unwrap_or_else(|| panic!("{query} is taken"))
}

fn with_subject(check: impl FnOnce(Subject<'_>)) {
    let headers = [("User-Agent".to_owned(), b"Stripe/1.0".to_vec()), ("x-raw".to_owned(), b"a\xffb".to_vec())];
    let attempts = [
        SubjectAttempt { status: None, error: Some("connection_refused"), ms: None, response_body: b"" },
        SubjectAttempt { status: Some(404), error: None, ms: Some(48), response_body: b"no such Route" },
    ];
    check(Subject {
        id: "01JD0000000000000000000001",
        seq: 12,
        received_at_ms: NOW - 30 * MINUTE,
        provider: Some("stripe"),
        event_type: Some("invoice.paid"),
        provider_event_id: Some("evt_1P9"),
        verdict: Some("valid"),
        method: "POST",
        path: "/webhooks/stripe?Env=test",
        headers: &headers,
        content_type: Some("application/json; charset=utf-8"),
        size: 2048,
        body: br#"{"id":9007199254740993,"price":"199.00","live":true,"none":null,"at":"2026-01-05","tags":["A b"],"odd key":{}}"#,
        marked: false,
        delivered: true,
        replayed: false,
        attempts: &attempts,
    });
}

/// Queries stand two spaces apart.
fn check(subject: &Subject<'_>, yes: &str, no: &str) {
    for (queries, wanted) in [(yes, true), (no, false)] {
        for query in queries.split("  ").map(str::trim).filter(|query| !query.is_empty()) {
            assert_eq!(parse(query).matches(subject), wanted, "{query}");
        }
    }
}

#[test]
fn text_is_looked_for_everywhere() {
    with_subject(|s| {
        check(
            &s,
            r#"invoice  -nothing  /webhooks  01JD  evt_1p  user-agent  stripe/1  199.00  "no such route"  Route
              Env  -ENV  "\"price\":"  -http://x  -10:30  invoice -nothing"#,
            "INVOICE  ROUTE  -invoice  nothing  http://x  10:30  invoice nothing  -invoice nothing",
        );
    });
}

#[test]
fn fields_compare_whole_values_or_parts() {
    with_subject(|s| {
        check(
            &s,
            r#"provider:Stripe  provider:github,stripe  type:invoice.*  type:*  type:=INVOICE.PAID
              -type:invoice  type:!=invoice  type:~^inv.*d$  sig:valid  sig:invalid,valid  sig:!=stale
              method:post  path:/WEBHOOKS  path:*test  path:~Env=(test|live)$  path:=/webhooks/stripe?env=test
              header.user-agent:stripe  HEADER.USER-AGENT:=stripe/1.0  header.x-raw:*  header.x-raw:a*b
              -header.x-none:*  body:199  resp:"such route"  ct:json  ct:application/*  provider:"stripe"
              -provider:!=stripe"#,
            r#"provider:strip  provider:github  type:invoice  type:"invoice.*"  type:~^Inv  sig:stale,invalid
              method:PUT  path:/webhooks/*e  path:=/webhooks/stripe  header.user-agent:=stripe  header.x-none:*
              body:nothing  ct:=application/json  resp:199  -provider:stripe  provider:!=stripe"#,
        );
        let bare = Subject { provider: None, event_type: None, verdict: None, content_type: None, attempts: &[], ..s };
        check(
            &bare,
            r#"-provider:*  provider:!=stripe  -ct:json  -resp:"""#,
            r#"provider:*  type:""  resp:""  sig:valid"#,
        );
    });
}

#[test]
fn status_and_numbers() {
    with_subject(|s| {
        check(
            &s,
            "status:404  status:4xx  status:40x  status:>=400  status:>3xx  status:<5xx  status:<=4xx
              status:!=500  status:500,4xx  -status:none  ms:48  ms:<50  ms:>=48  ms:1,48  ms:!=49  size:2kb
              size:>1.5KB  size:2048  size:<1mb  id:12  id:#12  id:1,12  id:>11  id:01jd0000000000000000000001
              id:EVT_1p9  id:evt_*  id:~^evt  id:!=13  id:01JD*",
            "status:200  status:5xx  status:>4xx  status:<4xx  status:refused  status:none
              status:timeout,refused  ms:>500  size:>1mb  id:1  id:evt  id:<12  id:>18446744073709551615
              status:!=404",
        );
        let refused = Subject { attempts: &s.attempts[..1], ..s };
        check(
            &refused,
            "status:refused  status:500,refused  ms:!=1",
            "status:none  ms:>=0  status:timeout  status:>=100",
        );
        let running = [SubjectAttempt { status: None, error: None, ms: None, response_body: b"" }];
        check(&Subject { attempts: &running, ..s }, "status:none", "-status:none  status:4xx");

        check(&Subject { attempts: &[], ..s }, "status:none  status:none,500", "status:refused");
    });
}

#[test]
fn times() {
    // It is 13:00 on the local clock, and the event came at 12:30.
    with_subject(|s| {
        check(
            &s,
            "since:31m  since:1h  since:1d  since:1w  since:2000s  before:29m  since:12:30  before:12:31
              since:12:29:59  since:2026-03-10T11:30:00Z  since:2026-03-10T12:30:00+01:00
              before:2026-03-10T12:31  since:2026-03-10  -before:2026-03-10  since:14:00  since:999999999999d
              -before:30m",
            "since:29m  before:30m  before:12:30  since:12:30:01  before:14:00  since:2026-03-11
              before:2026-03-10T11:30:00Z",
        );
    });
    let time = |query: &str, offset| match Filter::parse(query, NOW, offset).expect("good").terms() {
        [Term { kind: TermKind::Since(time), .. }] => *time,
        other => panic!("{other:?}"),
    };
    assert_eq!(time("since:12:00", 0), NOW, "right now is not yesterday");
    assert_eq!(time("since:12:01", 0), NOW - 24 * HOUR + MINUTE);
    assert_eq!(time("since:00:00", -5 * 3600), NOW - 7 * HOUR);
    assert_eq!(time("since:1960-01-01", 0), 0);
}

#[test]
fn yes_and_no() {
    with_subject(|s| {
        check(
            &s,
            "delivered:yes  marked:no  replay:NO  marked:!=yes  -replay:yes",
            "delivered:no  marked:yes  replay:yes  delivered:!=yes",
        );
    });
}

#[test]
fn json_values() {
    with_subject(|s| {
        check(
            &s,
            r#"json:.id=9007199254740993  json:.id>9007199254740992  json:.id!=9007199254740992
              json:.id=9007199*  json:.price>100  json:.price=199  json:.price="199.00"  json:.live=true
              json:.none=null  json:.none  json:.at>2026-01-01  json:.at<2026-02  json:.tags[0]="a b"
              json:.tags[0]~^A  json:.tags  json:.["odd key"]  json:.  -json:.nothing  json:.live=false,true
              json:.nothing!=1  json:.id~3$  json:.at=2026-*"#,
            r#"json:.id=9007199254740992  json:.id="9007199254740993"  json:.price="199"  json:.live="true"
              json:.live>1  json:.nothing  json:.tags=*  json:.tags[1]  json:.id<5  json:.at>2027
              json:.nothing=1  json:.tags[0]~^a"#,
        );

        check(&Subject { body: b"{\"id\":1", ..s }, "-json:.id", "json:.id=1  json:.");
    });
}

#[test]
fn a_filter_tells_what_it_needs() {
    for (query, bodies) in [
        ("", false),
        ("status:500 path:/x", false),
        ("word", true),
        ("-body:x", true),
        ("resp:x", true),
        ("ms:1 json:.a", true),
    ] {
        assert_eq!(parse(query).needs_bodies(), bodies, "{query}");
    }
    assert!(parse(" \t").is_empty() && !parse("x").is_empty() && Filter::default().is_empty());
    with_subject(|s| {
        assert!(parse("status:404 body:nothing").matches_head(&s) && !parse("status:500 body:199").matches_head(&s));
    });
    let filter = parse("-provider:a,b");
    let [Term { negated: true, kind: TermKind::Field(Field::Provider, matcher) }] = filter.terms() else {
        panic!("{filter:?}")
    };
    assert_eq!(matcher.exact_words(), Some(&["a".to_owned(), "b".to_owned()][..]));
}

#[test]
fn an_error_names_the_term_and_the_nearest_key() {
    let bad = error("type:x statsu:500 y");
    assert_eq!(bad.to_string(), "statsu: is not a key. Did you mean status:?");
    assert_eq!(bad.underline("type:x statsu:500 y"), "       ^^^^^^^^^^");
    assert_eq!(error("日本\t-foo:x\x1b").underline("日本\t-foo:x\x1b"), "    \t^^^^^^^^^^");
    for (query, message) in [
        ("localhost:3000", "localhost: is not a key. To look for the text, quote it: \"localhost:3000\""),
        ("haeder.x-id:1", "haeder.x-id: is not a key. Did you mean header.x-id:?"),
        ("status:", "status: needs a value, write status:500, status:4xx or status:refused"),
        ("status:500,", "status: has a comma without a value, write status:500, status:4xx or status:refused"),
        (
            "status:timout",
            "status:timout is not a status, 5xx, refused, timeout, reset or none. Did you mean status:timeout?",
        ),
        ("status:>none", "status:none is not a status to compare with"),
        (
            "sig:vaild",
            "sig:vaild is not one of valid invalid stale unsigned malformed no_secret unchecked. Did you mean sig:valid?",
        ),
        ("type:>x", "type: does not take >, write type:invoice.*"),
        ("since:>1d", "since: does not take >, write since:10m or since:14:00"),
        ("since:soon", "since:soon is not a time: 10m, 2h, 1d, 14:00 or 2026-01-31T14:00:00Z"),
        ("ms:>1,2", "ms: takes one value here, not a list"),
        ("marked:maybe", "marked:maybe is not yes or no"),
        ("path:~(a", "(a is not a regex: unclosed group"),
        ("header:x", "header: needs a name, like header.user-agent:curl"),
        ("json:data", "json: a path starts with a dot, like .data.id"),
        ("json:.a:5", "json: after the path comes = != > >= < <= or ~, not :5"),
        ("\"open", "the quote is not closed"),
        ("\"\"", "there is nothing between the quotes"),
        ("\"a\"b", "after a closing quote comes a space"),
        ("-", "after - comes a word or a key"),
    ] {
        assert_eq!(error(query).to_string(), message, "{query}");
    }
    for query in [
        "size:1.2.3",
        "size:-1",
        "size:1xb",
        "ms:+1",
        "status:4",
        "status:xxx",
        "status:099",
        "since:25:00",
        "since:1:2:3:4",
        "json:.a=",
        "path:~",
        "id:>x",
    ] {
        error(query);
    }
}

#[test]
fn bounds_hold() {
    error(&"x ".repeat(65));
    error(&"x".repeat(4097));
    error("body:~\\w{500}\\w{500}\\w{500}\\w{500}");
    let long = format!("body:{}", "é,".repeat(1300) + "x");
    assert_eq!(parse(&long).terms().len(), 1);
}

proptest! {
    #[test]
    fn no_text_panics(any in any::<String>(), near in "-?(status|ms|size|since|json|id|header\\.x|path|sig|ct)?:?[=!<>~]{0,2}[0-9a-z:.,*x\"\\\\\\[\\](){}+TZ é-]{0,16}", now: u64, offset: i32) {
        for query in [any, near] {
            match Filter::parse(&query, now, offset) {
                Ok(filter) => with_subject(|subject| { filter.matches(&subject); }),
                Err(error) => {
                    prop_assert!(query.get(error.span.clone()).is_some_and(|term| !term.is_empty()));
                    let message = error.to_string();
                    prop_assert_eq!(sanitize(&message), message.clone(), "the message is safe to show");
                    prop_assert!(error.underline(&query).trim_start().starts_with('^'));
                }
            }
        }
    }

    #[test]
    fn minus_turns_every_answer_around(query in "(type|path|status|ms|id|body):[!=<>]{0,2}[0-9a-z*]{1,5}|[a-z0-9]{1,6}") {
        if let (Ok(filter), Ok(negated)) = (Filter::parse(&query, NOW, 0), Filter::parse(&format!("-{query}"), NOW, 0)) {
            with_subject(|subject| assert_ne!(filter.matches(&subject), negated.matches(&subject)));
        }
    }
}
