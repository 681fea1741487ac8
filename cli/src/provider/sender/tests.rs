use std::path::Path;

use super::*;
use crate::journal::EventRow;
use crate::output::advice;
use crate::provider::Providers;
use crate::signature::Signature;

fn providers() -> Providers {
    Providers::load(Path::new("/nowhere"))
}

fn attempt(kind: &str, status: Option<u16>, error: Option<&str>, ms: u64) -> Attempt {
    Attempt {
        signing: None,
        n: 1,
        kind: kind.into(),
        target: "http://localhost:3000/webhooks".into(),
        owner: String::new(),
        started_at: 0,
        ended_at: Some(ms),
        request: Vec::new(),
        status,
        error: error.map(str::to_owned),
        detail: error.map(|_| "connection refused on 127.0.0.1:3000".to_owned()),
        ttfb_ms: None,
        ms: Some(ms),
        response: Vec::new(),
        size: 0,
        kept: 0,
    }
}

/// Everything that a person reads of one attempt.
fn said(provider: &str, attempt: &Attempt, heard: Heard) -> String {
    said_of(provider, &EventRow::for_test(1, "POST", "/webhooks"), attempt, heard)
}

fn said_of(provider: &str, row: &EventRow, attempt: &Attempt, heard: Heard) -> String {
    let (providers, mut row) = (providers(), row.clone());
    // Only a question is answered as one.
    if matches!(heard, Heard::Handshake(_)) {
        row.signature = Some(Box::new(Signature { question: true, ..Signature::default() }));
    }
    let row = &row;
    let judgement = judge(providers.get(provider), row, attempt, heard);
    let answer =
        attempt.status.map_or("no answer".to_owned(), |status| format!("{status} in {:?} ms", attempt.ms.unwrap_or(0)));
    let mut lines = vec![format!("{provider}, {}, {answer}, sender heard {heard:?}:", attempt.kind)];
    lines.extend(judgement.warning.as_ref().map(|warning| format!("  ⚠ {warning}")));
    if let Some(advice) = advice::on(row, attempt, b"", heard, &judgement) {
        lines.push(format!("  │ {}", advice.fact));
        lines.extend(advice.then.map(|then| format!("  │ {then}")));
        lines.push(format!("  └ next: {}", advice.next));
    }
    lines.extend(advice::on_warning(1, attempt, heard, &judgement).map(|next| format!("  └ next: {next}")));
    let known = |fact: Option<bool>| fact.map_or("unknown", |fact| if fact { "yes" } else { "no" });
    lines.push(format!("  success {}, again {}", known(judgement.success), known(judgement.sends_again)));
    lines.join("\n")
}

#[test]
fn every_answer_is_judged_as_its_sender_does() {
    let answered = |status, ms| attempt("live", Some(status), None, ms);
    let down = attempt("live", None, Some("connection_refused"), 1);
    let all = [
        said("slack", &answered(200, 2_900), Heard::App),
        said("slack", &answered(200, 4_100), Heard::Queued),
        said("slack", &answered(200, 4_100), Heard::App),
        said("slack", &answered(500, 4_100), Heard::App),
        said("github", &answered(200, 10_001), Heard::Queued),
        said("paddle", &answered(202, 12), Heard::App),
        said("paddle", &answered(999, 12), Heard::App),
        said("zoom", &answered(201, 12), Heard::App),
        said("stripe", &answered(400, 12), Heard::App),
        said("stripe", &answered(500, 12), Heard::App),
        said("stripe", &answered(500, 12), Heard::Queued),
        said("stripe", &attempt("backlog", Some(500), None, 12), Heard::Queued),
        said("stripe", &attempt("replay", Some(500), None, 12), Heard::Nothing),
        said("github", &answered(500, 12), Heard::App),
        said("github", &answered(404, 12), Heard::App),
        said("aws-sns", &answered(422, 12), Heard::App),
        said("mailgun", &answered(406, 12), Heard::App),
        said("discord", &answered(500, 12), Heard::App),
        said("dropbox", &answered(500, 12), Heard::App),
        said("shopify", &answered(302, 12), Heard::App),
        said("twilio", &answered(302, 12), Heard::App),
        said("twilio", &answered(500, 12), Heard::App),
        said("nobody", &answered(500, 60_000), Heard::App),
        said("stripe", &down, Heard::BadGateway),
        said("stripe", &down, Heard::Queued),
        said("github", &down, Heard::BadGateway),
        said("twilio", &down, Heard::BadGateway),
        said("dropbox", &down, Heard::BadGateway),
        said("dropbox", &down, Heard::Handshake(200)),
        said("slack", &answered(404, 12), Heard::Handshake(200)),
        said("nobody", &down, Heard::BadGateway),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn what_hook_made_nobody_sends_again() {
    let mut row = EventRow::for_test(1, "POST", "/webhooks");
    row.head.headers.push(mark::field());
    let answered = |status, ms| attempt("live", Some(status), None, ms);
    let down = attempt("live", None, Some("connection_refused"), 1);
    let all = [
        said_of("stripe", &row, &answered(500, 12), Heard::App),
        said_of("stripe", &row, &answered(200, 12), Heard::App),
        said_of("stripe", &row, &down, Heard::BadGateway),
        said_of("github", &row, &down, Heard::BadGateway),
        said_of("slack", &row, &answered(200, 4_100), Heard::App),
        said_of("slack", &row, &answered(404, 12), Heard::Handshake(200)),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_slow_app_is_told_when_its_sender_gives_up() {
    let providers = providers();
    let said = |provider: &str| {
        let recipe = providers.get(provider);
        let advice = advice::slow(5, reply_within(None, recipe), gives_up(recipe).as_deref(), false);
        format!("{provider}\n  │ {}\n  └ next: {}", advice.fact, advice.next)
    };
    insta::assert_snapshot!(["slack", "github", "stripe", "nobody"].map(said).join("\n"));
}

#[test]
fn the_reply_deadline_is_asked_for_or_a_tenth_below_the_limit() {
    let providers = providers();
    let ms = |asked: Option<u64>, provider| {
        reply_within(asked.map(Duration::from_millis), providers.get(provider)).as_millis()
    };
    assert_eq!(ms(None, "slack"), 2_700);
    assert_eq!(ms(None, "box"), 27_000);
    // Stripe does not say how long it waits.
    assert_eq!((ms(None, "stripe"), ms(None, "nobody")), (25_000, 25_000));
    assert_eq!((ms(Some(100), "slack"), ms(Some(60_000), "slack")), (100, 60_000));
}

/// The words hold for all recipes: no phrase of theirs makes a sentence that promises what it denies.
#[test]
fn no_recipe_promises_more_than_it_states() {
    let row = EventRow::for_test(1, "POST", "/webhooks");
    for recipe in providers().catalog().iter() {
        for status in [302, 404, 429, 500] {
            let then = judge(Some(recipe), &row, &attempt("live", Some(status), None, 1), Heard::App);
            let then = then.then.unwrap_or_default();
            match (&recipe.sender.retries, Of { recipe, once: false }.sends_again(Outcome::Status(status))) {
                (Some(fact), Some(true)) => {
                    assert!(then.contains(&fact.value.says), "{then}");
                    assert_eq!(then.contains(HEDGE), !fact.confirmed, "{then}");
                }
                (_, Some(false)) => assert!(!then.contains("will send") && !then.contains("may send"), "{then}"),
                _ => assert_eq!(then, format!("whether {} tries again is not known", recipe.slug)),
            }
        }
    }
}

/// What Slack's and Discord's documents say of one kind of request does not hold for the other.
#[test]
fn what_is_sent_only_once_is_never_said_to_come_again() {
    let providers = providers();
    for slug in ["slack", "discord", "replicate"] {
        let recipe = providers.get(slug).unwrap();
        for (status, ms) in [(500, 12), (200, 4_100)] {
            let attempt = attempt("live", Some(status), None, ms);
            let said = |once| {
                let mut row = EventRow::for_test(1, "POST", "/webhooks");
                row.signature = Some(Box::new(crate::provider::Signature { once, ..Default::default() }));
                let judgement = judge(Some(recipe), &row, &attempt, Heard::App);
                let says = [judgement.warning, judgement.then].into_iter().flatten().collect::<String>();
                (judgement.sends_again, says + &ways(recipe, once, &attempt).join(". "))
            };
            let (again, says) = said(true);
            assert_eq!(again, Some(false), "{says}");
            assert!(
                !says.contains("will send") && !says.contains("and sends again") && !says.contains("sends an event"),
                "{says}"
            );
            let (again, says) = said(false);
            assert!(again == Some(true) || status == 200, "{says}");
        }
    }
}

#[test]
fn what_its_sender_does_with_such_an_app_is_told() {
    let providers = providers();
    let said = |slug: &str, once, attempt: &Attempt| {
        format!("{slug}\n  {}", ways(providers.get(slug).unwrap(), once, attempt).join("\n  "))
    };
    let answered = |status, ms| attempt("live", Some(status), None, ms);
    let all = [
        said("slack", false, &answered(200, 4_100)),
        said("slack", true, &answered(200, 4_100)),
        said("slack", true, &answered(500, 12)),
        said("slack", false, &attempt("replay", Some(500), None, 12)),
        said("stripe", false, &answered(400, 12)),
        said("stripe", false, &answered(200, 12)),
        said("github", false, &answered(404, 12)),
        said("github", false, &answered(200, 10_001)),
        said("shopify", false, &attempt("live", None, Some("connection_refused"), 1)),
        said("mailgun", false, &answered(406, 12)),
        said("paddle", false, &answered(202, 12)),
    ];
    insta::assert_snapshot!(all.join("\n"));
}
