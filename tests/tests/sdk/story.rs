//! What an app with an SDK says to events of hook's: signed, forged, old, changed.

use hook_tests::{Clock, Hook, Output, Sdk};

pub struct Story {
    start: fn(&str, &[(&str, &str)]) -> Sdk,
    script: &'static str,
    provider: &'static str,
    event: &'static str,
    /// In the environment of hook and app alike; without one, hook makes a pair of keys and the app has the public half.
    secret: Option<(&'static str, &'static str)>,
    params: &'static [(&'static str, &'static str)],
    tolerant: bool,
    set: Option<&'static str>,
}

/// An app on Node.
pub fn node(provider: &'static str, event: &'static str) -> Story {
    Story::new(Sdk::node, "receiver.mjs", provider, event)
}

/// An app on Python.
pub fn python(provider: &'static str, event: &'static str) -> Story {
    Story::new(Sdk::python, "receiver.py", provider, event)
}

impl Story {
    fn new(
        start: fn(&str, &[(&str, &str)]) -> Sdk,
        script: &'static str,
        provider: &'static str,
        event: &'static str,
    ) -> Self {
        Self { start, script, provider, event, secret: None, params: &[], tolerant: false, set: None }
    }

    pub fn secret(self, variable: &'static str, value: &'static str) -> Self {
        Self { secret: Some((variable, value)), ..self }
    }

    /// What both sides know besides the secret.
    pub fn params(self, params: &'static [(&'static str, &'static str)]) -> Self {
        Self { params, ..self }
    }

    /// The SDK refuses what is old.
    pub fn tolerant(self) -> Self {
        Self { tolerant: true, ..self }
    }

    /// What an edited replay changes.
    pub fn set(self, change: &'static str) -> Self {
        Self { set: Some(change), ..self }
    }

    pub fn told(self) {
        let clock = Clock::new();
        let mut hook = Hook::new().under(&clock);
        if let Some((variable, value)) = self.secret {
            hook = hook.with_env(variable, value);
        }
        let secret = self.secret.map_or_else(|| self.public_half(&hook), |(_, value)| value.to_owned());
        let params: serde_json::Value = self.params.iter().copied().collect();
        let app = (self.start)(self.script, &[("SECRET", &secret), ("PARAMS", &params.to_string())]);
        let to = app.at(&format!("/{}", self.provider));
        let params: Vec<String> =
            self.params.iter().flat_map(|(k, v)| ["--param".to_owned(), format!("{k}={v}")]).collect();
        let run = |what: &[&str], more: &[&str]| -> Output {
            let given = ["--to", &to].into_iter().chain(params.iter().map(String::as_str));
            hook.run(what.iter().copied().chain(given).chain(more.iter().copied()))
        };
        let trigger = |more: &[&str]| run(&["trigger", self.provider, self.event], more);
        let replay = |more: &[&str]| run(&["replay", "last"], more);

        let forged = trigger(&["--bad-signature"]).succeeded();
        assert!(forged.stderr.contains("refused, as a forged event should be"), "{forged:?}");
        trigger(&[]).succeeded();
        if self.tolerant {
            clock.set("-20m");
            trigger(&[]).ended_with(1);
            clock.set("+0");
            replay(&["--as-received"]).ended_with(1);
        }
        replay(&[]).succeeded();
        let timestamp = self.tolerant.then_some("timestamp");
        for part in ["body", "signature"].into_iter().chain(timestamp) {
            replay(&["--tamper", part]).succeeded();
        }
        if let Some(change) = self.set {
            let edited = replay(&["--set", change]).succeeded();
            assert!(edited.stderr.contains("edited"), "{edited:?}");
        }
    }

    /// Of the pair of keys that hook makes when it has none.
    fn public_half(&self, hook: &Hook) -> String {
        hook.run(["trigger", self.provider, self.event, "--print"]).succeeded();
        let kept = std::fs::read_to_string(hook.home().join("config/hook/secrets.toml")).unwrap();
        let line = kept.lines().find_map(|line| line.strip_prefix("for_app = ")).expect("it has a public half");
        line.trim_matches('"').to_owned()
    }
}
