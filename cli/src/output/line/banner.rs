//! What the line log says before the first event and after the last: where everything is, and what to do now.

use std::time::Duration;

use super::LineLog;
use crate::activity::{AppState, Endpoint, Forward, Started, Stopped};
use crate::output::signature;
use crate::sanitize::sanitize;
use crate::text;
use crate::ui::Ink;

impl LineLog {
    pub(super) fn banner(&mut self, started: &Started) {
        self.status(&format!("hook {}\n", env!("CARGO_PKG_VERSION")));
        let many = started.endpoints.len() > 1;
        for endpoint in &started.endpoints {
            if many {
                self.status(&format!("  Endpoint     {}", endpoint.name));
            }
            // The address that people copy comes from the relay itself.
            if endpoint.embedded {
                self.status(&format!("  Public URL   {}", self.ui.err.ink(Ink::Bold, sanitize(&endpoint.public_url))));
                self.shown_urls.push(endpoint.public_url.clone());
            }
            if endpoint.forward_to.is_empty() {
                self.status(
                    "  Forwards to  nowhere: events are kept and answered 200. Add --forward-to localhost:3000",
                );
            }
            for (i, forward) in endpoint.forward_to.iter().enumerate() {
                let label = if i == 0 { "Forwards to" } else { "" };
                let prefix = if forward.prefix.is_empty() {
                    String::new()
                } else {
                    format!("{} → ", sanitize(&forward.prefix))
                };
                let url = if forward.has_path { forward.url.clone() } else { format!("{}/* (same path)", forward.url) };
                let line = format!("  {label:<11}  {prefix}{}   {}", sanitize(&url), self.app_state(forward));
                self.status(line.trim_end());
                if forward.app == AppState::Down && forward.why_down.as_ref().is_some_and(|w| w.starts_with("nothing"))
                {
                    self.status("               Start your app; hook sees it by itself. Events until then are kept.");
                }
                if let Some(port) = forward.other_port {
                    let url = forward.url.parse::<crate::target::Target>().map(|mut t| {
                        t.port = port;
                        t.to_string().replacen("http://", "", 1)
                    });
                    self.status(&format!(
                        "               Something listens on {port}. next: hook listen --forward-to {}",
                        sanitize(&url.unwrap_or_default())
                    ));
                }
            }
            signature::banner(endpoint, self.ui.err).iter().for_each(|line| self.status(line));
            if endpoint.mirror {
                self.status("  Mirror       copies of live events only; another listener answers the senders");
            }
            if endpoint.embedded {
                self.status(
                    "  Reachable    from this machine. From outside: hook listen --relay https://… (or hook login)",
                );
            }
            self.status("");
        }
    }

    fn app_state(&self, forward: &Forward) -> String {
        let paint = self.ui.err;
        match forward.app {
            AppState::Up(after) => {
                paint.ink(Ink::Good, format!("{} app is up ({})", paint.sign("✓"), text::span(after)))
            }
            AppState::Down => {
                let why = forward.why_down.as_deref().unwrap_or("it is down");
                paint.ink(Ink::Bad, format!("{} {}", paint.sign("✗"), sanitize(why)))
            }
            AppState::Unknown => String::new(),
        }
    }

    pub(super) fn ready(&mut self, endpoints: &[Endpoint], after: Duration) {
        self.was_ready = true;
        self.clear_passing();
        for endpoint in endpoints.iter().filter(|e| !self.shown_urls.contains(&e.public_url)) {
            // The relay gives out another address than the one we dial.
            self.status(&format!("  Public URL   {}", self.ui.err.ink(Ink::Bold, sanitize(&endpoint.public_url))));
        }
        self.status(&format!(
            "Ready in {:.1} s. Paste the public URL into your provider, or send a test event now:",
            after.as_secs_f64()
        ));
        self.status(&format!("  {}\n", test_event(endpoints)));
    }

    pub(super) fn stopped(&mut self, s: &Stopped) {
        let mut parts = vec![format!("{} ok", s.ok), format!("{} failed", s.failed)];
        if s.undelivered > 0 {
            parts.push(format!("{} not delivered", s.undelivered));
        }
        if s.owed > 0 {
            parts.push(format!("{} still owed", s.owed));
        }
        let kept = if s.events == 0 { "" } else { " They are kept: hook events" };
        self.status(&format!(
            "Stopped. {} in {}: {}.{kept}",
            text::count(s.events, "event"),
            text::span(s.after),
            parts.join(", ")
        ));
        if s.owed > 0 {
            self.status("next: hook listen …                     (forwards what is owed)");
        } else if s.undelivered > 0 {
            self.status("next: hook replay --undelivered        (when your app is up again)");
        }
    }
}

/// A command that sends one: a signed event where the provider is known, else any request.
fn test_event(endpoints: &[Endpoint]) -> String {
    let Some(first) = endpoints.first() else { return "hook trigger --list".to_owned() };
    if let Some(sample) = &first.sample {
        let name = if endpoints.len() > 1 { format!(" --name {}", first.name) } else { String::new() };
        return format!("hook trigger {}{name}", sanitize(sample));
    }
    // It goes where a target is.
    let default = first.forward_to.is_empty() || first.forward_to.iter().any(|f| f.prefix.is_empty());
    let prefix = if default { "" } else { first.forward_to[0].prefix.as_str() };
    let url = format!("{}{prefix}", first.public_url);
    format!("curl -d '{{\"hello\":\"world\"}}' {}", text::shell_word(&sanitize(&url)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(name: &str, sample: Option<&str>) -> Endpoint {
        Endpoint {
            name: name.into(),
            public_url: format!("http://127.0.0.1:4000/{name}"),
            forward_to: Vec::new(),
            mirror: false,
            embedded: true,
            senders: Vec::new(),
            likely: None,
            sample: sample.map(str::to_owned),
            given_to_app: Vec::new(),
        }
    }

    #[test]
    fn a_test_event_is_of_the_provider_that_is_known() {
        let stripe = || endpoint("shop", Some("stripe payment_intent.succeeded"));
        assert_eq!(test_event(&[stripe()]), "hook trigger stripe payment_intent.succeeded");
        let two = test_event(&[stripe(), endpoint("other", None)]);
        assert_eq!(two, "hook trigger stripe payment_intent.succeeded --name shop");
        let plain = endpoint("x7k2m", None);
        assert_eq!(
            test_event(std::slice::from_ref(&plain)),
            r#"curl -d '{"hello":"world"}' http://127.0.0.1:4000/x7k2m"#
        );
        // A relay may say anything.
        let odd = Endpoint { public_url: "http://h/$(reboot)".into(), ..plain };
        assert_eq!(test_event(&[odd]), r#"curl -d '{"hello":"world"}' 'http://h/$(reboot)'"#);
    }
}
