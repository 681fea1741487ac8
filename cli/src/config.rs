//! What a person set: `hook.toml` of the project, the login, and the environment. Read once, at the edge.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::failure::{Exit, Failure};
use crate::platform;
use crate::session::Relay;

/// `hook.toml` in the project directory.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProjectFile {
    pub relay: Option<String>,
    #[serde(default, rename = "endpoint", alias = "endpoints")]
    listed: Listed,
}

/// `[[endpoint]]` with names inside, or `[endpoint.NAME]`.
#[derive(Debug, Clone, Default)]
struct Listed(Vec<EndpointEntry>);

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, because an untagged enum would hide which key is wrong.
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Listed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[[endpoint]] tables, or [endpoint.NAME]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Listed, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = seq.next_element()? {
                    entries.push(entry);
                }
                Ok(Listed(entries))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Listed, A::Error> {
                let mut entries = Vec::new();
                while let Some((name, entry)) = map.next_entry::<String, EndpointEntry>()? {
                    entries.push(EndpointEntry { name: Some(name), ..entry });
                }
                Ok(Listed(entries))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EndpointEntry {
    pub name: Option<String>,
    #[serde(default, alias = "forward_to")]
    pub forward_to: OneOrMany,
    /// Who sends.
    pub provider: Option<String>,
    /// The environment variables that hold its secrets.
    #[serde(default, alias = "secret_env")]
    pub secret_env: OneOrMany,
    /// What its scheme needs besides: a value, or `env:NAME`.
    #[serde(default)]
    pub param: BTreeMap<String, crate::param::Value>,
    #[serde(default)]
    pub header: OneOrMany,
    #[serde(default, alias = "host_header")]
    pub host_header: Option<String>,
    #[serde(default, alias = "preserve_host")]
    pub preserve_host: Option<bool>,
    #[serde(default, alias = "app_url")]
    pub app_url: Option<String>,
    #[serde(default, alias = "as_received")]
    pub as_received: Option<bool>,
    pub insecure: Option<bool>,
    pub timeout: Option<String>,
    #[serde(default, alias = "reply_within")]
    pub reply_within: Option<String>,
    pub respond: Option<u16>,
    #[serde(default, alias = "queued_status")]
    pub queued_status: Option<u16>,
    pub hold: Option<bool>,
    pub retry: Option<u32>,
    pub concurrency: Option<usize>,
    pub filter: Option<String>,
    #[serde(default, alias = "max_body")]
    pub max_body: Option<String>,
    #[serde(default, alias = "max_backlog")]
    pub max_backlog: Option<usize>,
    pub dedupe: Option<bool>,
    #[serde(default, alias = "fetch_keys")]
    pub fetch_keys: Option<bool>,
    #[serde(default, alias = "confirm_subscriptions")]
    pub confirm_subscriptions: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    pub fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

impl ProjectFile {
    pub fn endpoints(&self) -> &[EndpointEntry] {
        &self.listed.0
    }

    /// The file of a directory; `None` when there is none.
    pub fn read(project: &Path) -> Result<Option<Self>, Failure> {
        let path = project.join("hook.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Failure::local(format!("{} cannot be read: {}", path.display(), crate::text::io(&error))));
            }
        };
        toml::from_str(&text).map(Some).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let what = format!("{} line {line}: {}", path.display(), error.message());
            Failure::usage(what).next(format!("correct that line of {}", path.display()))
        })
    }
}

/// The relays that a person logged in to; the file is 0600.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Credentials {
    /// Used when nothing else is said.
    pub default: Option<String>,
    #[serde(default)]
    pub tokens: BTreeMap<String, String>,
}

impl Credentials {
    pub fn path() -> PathBuf {
        platform::config_dir().join("credentials.toml")
    }

    pub fn read() -> Result<Self, Failure> {
        let path = Self::path();
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|_| {
                // The error would quote the file, and the file holds tokens.
                Failure::local(format!("{} is not what hook login writes.", path.display()))
                    .next("hook logout --all, then hook login URL")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => {
                Err(Failure::local(format!("{} cannot be read: {}", path.display(), crate::text::io(&error))))
            }
        }
    }

    pub fn write(&self) -> Result<(), Failure> {
        let path = Self::path();
        let failed = |e: &dyn std::fmt::Display| Failure::local(format!("{} cannot be written: {e}", path.display()));
        let text = toml::to_string(self).map_err(|e| failed(&e))?;
        platform::write_private(&path, text.as_bytes()).map_err(|e| failed(&e))
    }
}

/// Where a relay was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayFrom {
    Flag,
    Environment,
    ProjectFile,
    Login,
}

impl RelayFrom {
    pub fn words(self) -> &'static str {
        match self {
            Self::Flag => "--relay",
            Self::Environment => "HOOK_RELAY",
            Self::ProjectFile => "hook.toml",
            Self::Login => "hook login",
        }
    }
}

/// The relay to use, `None` for the embedded one: `--relay`, HOOK_RELAY, hook.toml, the login, in this order.
pub fn relay(flag: Option<&str>, file: Option<&ProjectFile>) -> Result<Option<(Relay, RelayFrom)>, Failure> {
    let environment = std::env::var("HOOK_RELAY").ok().filter(|v| !v.is_empty());
    let credentials = Credentials::read()?;
    let said = [
        (flag.map(str::to_owned), RelayFrom::Flag),
        (environment, RelayFrom::Environment),
        (file.and_then(|f| f.relay.clone()), RelayFrom::ProjectFile),
        (credentials.default.clone(), RelayFrom::Login),
    ];
    let Some((url, from)) = said.into_iter().find_map(|(url, from)| Some((url?, from))) else { return Ok(None) };
    if url == "embedded" {
        return Ok(None);
    }
    let mut relay = parse_relay(&url)?;
    relay.token = token(&credentials, &relay)?.map(Into::into);
    Ok(Some((relay, from)))
}

pub fn parse_relay(url: &str) -> Result<Relay, Failure> {
    url.parse().map_err(|bad: crate::session::BadRelay| {
        // What is left of it when a wrong scheme and a path are taken away.
        let host = url.rsplit_once("//").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or(url);
        let next = match host {
            "embeded" | "embbeded" | "embedde" | "local" => "--relay embedded".to_owned(),
            "" => "--relay https://hooks.example.com".to_owned(),
            host if host.starts_with("localhost") || host.starts_with("127.") => format!("--relay http://{host}"),
            host => format!("--relay https://{host}"),
        };
        Failure::usage(format!("{bad}.")).next(crate::sanitize::sanitize(&next).into_owned())
    })
}

/// A token goes to a relay over TLS only, or to this machine.
fn token(credentials: &Credentials, relay: &Relay) -> Result<Option<String>, Failure> {
    let environment = std::env::var("HOOK_TOKEN").ok().map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let token = environment.or_else(|| credentials.tokens.get(&relay.url()).cloned());
    if token.is_some() && relay.scheme == crate::session::Scheme::Http && !relay.is_loopback() && !plain_http_is_asked()
    {
        let what = format!("{} is plain HTTP: the token would be readable on the way.", relay.url());
        return Err(Failure::new(Exit::Usage, "usage", what).next(format!(
            "{} (or HOOK_PLAIN_HTTP=1 in a network of your own)",
            relay.url().replacen("http", "https", 1)
        )));
    }
    Ok(token)
}

fn plain_http_is_asked() -> bool {
    std::env::var("HOOK_PLAIN_HTTP").is_ok_and(|v| v == "1")
}
