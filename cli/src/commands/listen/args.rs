//! What can be said to `hook listen`, and what it means for each endpoint.

use std::time::Duration;

use clap::Args;
use hook_proto::EndpointName;
use hook_proto::wire::Settings;
use hook_providers::Recipe;

use crate::config::EndpointEntry;
use crate::engine::Options;
use crate::failure::Failure;
use crate::filter::{Field, Filter, TermKind};
use crate::forward::{HostField, Shape};
use crate::output::Format;
use crate::provider::{ProviderArgs, Providers, Said, args};
use crate::target::{self, ForwardTo};
use crate::{event_ref, header_arg, units};

/// Get a public URL, forward what is sent to it, print, keep
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hook listen --forward-to localhost:3000/webhooks/stripe
  hook listen --forward-to 3000/stripe --provider stripe --env-file .env.local
  hook listen --forward-to 3000 --hold                            events wait while your app is down
  hook listen --forward-to /stripe=3000/stripe --forward-to /github=4000
  hook listen --relay https://hooks.example.com --name shop --forward-to 3000
  hook listen --forward-to 3000 --until 'path:/paid status:2xx' --timeout-after 30s
  hook listen                                                     all endpoints of hook.toml, or capture only")]
pub struct ListenArgs {
    /// Where events go: 3000, localhost:3000/path, a URL, or /prefix=TARGET (repeatable)
    #[arg(long, short = 'f', value_name = "TARGET")]
    pub forward_to: Vec<String>,
    /// The endpoint's name at the relay [default: one that nobody can guess, remembered]
    #[arg(long, value_name = "NAME")]
    pub name: Option<EndpointName>,
    #[command(flatten)]
    pub sender: ProviderArgs,
    /// A relay's URL, or "embedded" [default: the one you logged in to, else embedded]
    #[arg(long, value_name = "URL")]
    pub relay: Option<String>,
    /// Bring a small app and sample events, and show how it all works
    #[arg(long, conflicts_with = "forward_to")]
    pub demo: bool,
    /// Set a header towards the app: 'Name: value' (repeatable)
    #[arg(long, value_name = "HEADER")]
    pub header: Vec<String>,
    /// Say this Host to the app
    #[arg(long, value_name = "HOST", conflicts_with = "preserve_host")]
    pub host_header: Option<String>,
    /// Keep the sender's Host
    #[arg(long)]
    pub preserve_host: bool,
    /// The URL that your app takes itself to be called by, for providers that sign it [default: as it is forwarded]
    #[arg(long, value_name = "URL")]
    pub app_url: Option<String>,
    /// Leave every event as it came: no headers of hook's own, nothing signed anew
    #[arg(long)]
    pub as_received: bool,
    /// Take any TLS certificate of the target
    #[arg(long)]
    pub insecure: bool,
    /// How long an attempt may take [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub timeout: Option<Duration>,
    /// Tell the sender 200 after this long, whatever the app does [default: a tenth less than its provider waits, else 25s]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub reply_within: Option<Duration>,
    /// Answer every sender with this status at once, and forward behind it
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(200..600))]
    pub respond: Option<u16>,
    /// The status that a sender hears when its event is queued [default: 200]
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(200..300))]
    pub queued_status: Option<u16>,
    /// Keep events while the app is down, and forward them when it is up
    #[arg(long)]
    pub hold: bool,
    /// Try a queued event again, up to N times, when the app fails it
    #[arg(long, value_name = "N")]
    pub retry: Option<u32>,
    /// Attempts at once [default: 16, and 1 for what is owed]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: Option<u16>,
    /// Forward only events that match; the rest is kept
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
    /// The largest body, e.g. 5mb [default: the relay's, 32mb]
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub max_body: Option<u64>,
    /// Forward at most the N oldest of what is owed; hold the rest
    #[arg(long, value_name = "N")]
    pub max_backlog: Option<usize>,
    /// Answer an event that the provider sends again, unchanged, as your app answered it, and do not forward it
    #[arg(long, conflicts_with = "mirror")]
    pub dedupe: bool,
    /// Fetch keys that providers publish, where a signature needs one (Amazon SNS, PayPal) [default: ask, once for a host]
    #[arg(long)]
    pub fetch_keys: bool,
    /// Confirm every subscription that is rightly signed, by fetching its URL (Amazon SNS) [default: ask, once for a topic]
    #[arg(long, conflicts_with = "mirror")]
    pub confirm_subscriptions: bool,
    /// Listen beside another listener: copies of live events, no answer to senders
    #[arg(long, requires = "name")]
    pub mirror: bool,
    /// How to print
    #[arg(long, value_name = "HOW", default_value = "line")]
    pub output: Format,
    /// With --output json: headers and bodies too
    #[arg(long)]
    pub body: bool,
    /// With --body: cut bodies at this size
    #[arg(long, value_name = "SIZE", value_parser = units::size, requires = "body")]
    pub body_limit: Option<u64>,
    /// End when an event matches
    #[arg(long, value_name = "FILTER")]
    pub until: Option<String>,
    /// With --until: fail when nothing matched in time
    #[arg(long, value_name = "TIME", value_parser = units::duration, requires = "until")]
    pub timeout_after: Option<Duration>,
    /// Show requests and answers (-vv: in full)
    #[arg(long, short = 'v', action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// One endpoint to listen to.
pub struct Plan {
    pub name: Option<EndpointName>,
    /// What hook.toml says about its secrets.
    pub said: Said,
    pub options: Options,
    pub settings: Settings,
}

pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

impl ListenArgs {
    /// The endpoints that are meant: those of hook.toml, or the one that the flags describe.
    pub fn plans(&self, entries: &[EndpointEntry]) -> Result<Vec<Plan>, Failure> {
        let named: Vec<&EndpointEntry> = match &self.name {
            Some(name) => entries.iter().filter(|e| e.name.as_deref() == Some(name.as_str())).collect(),
            None => entries.iter().collect(),
        };
        if self.demo || !self.forward_to.is_empty() || named.is_empty() {
            let entry =
                if named.len() == 1 && self.name.is_some() { named[0].clone() } else { EndpointEntry::default() };
            return Ok(vec![self.plan(&entry)?]);
        }
        named.into_iter().map(|entry| self.plan(entry)).collect()
    }

    /// A flag stands over the file.
    fn plan(&self, entry: &EndpointEntry) -> Result<Plan, Failure> {
        let name = match (&self.name, &entry.name) {
            (Some(name), _) => Some(name.clone()),
            (None, Some(name)) => Some(
                name.parse()
                    .map_err(|bad| usage(format!("\"{name}\" in hook.toml: {bad}.")).next("correct hook.toml"))?,
            ),
            (None, None) => None,
        };
        let or_file = |flags: &Vec<String>, file: &crate::config::OneOrMany| {
            if flags.is_empty() { file.clone().into_vec() } else { flags.clone() }
        };
        let routes = routes(&or_file(&self.forward_to, &entry.forward_to))?;
        let headers =
            or_file(&self.header, &entry.header).iter().map(|h| header_arg::parse(h)).collect::<Result<_, _>>()?;
        let host = match (
            self.host_header.clone().or(entry.host_header.clone()),
            self.preserve_host || entry.preserve_host == Some(true),
        ) {
            (Some(host), _) => HostField::Given(header_arg::value(&host)?),
            (None, true) => HostField::Preserve,
            (None, false) => HostField::Target,
        };
        let from_file = |text: &Option<String>| text.as_deref().map(units::duration).transpose().map_err(usage);
        let max_body = match (self.max_body, &entry.max_body) {
            (Some(size), _) => size,
            (None, Some(text)) => units::size(text).map_err(usage)?,
            (None, None) => 0,
        };
        let respond = self.respond.or(entry.respond);
        let queued_status = self.queued_status.or(entry.queued_status).unwrap_or(200);
        if !(200..300).contains(&queued_status) || respond.is_some_and(|c| !(200..600).contains(&c)) {
            return Err(usage(
                "a status in hook.toml is out of range: queued-status is 200 to 299, respond 200 to 599.",
            ));
        }
        let filter = self.filter.as_ref().or(entry.filter.as_ref()).map(|f| before_forwarding(f)).transpose()?;
        let options = Options {
            provider: self.sender.provider.clone().or_else(|| entry.provider.clone()),
            routes,
            shape: Shape {
                host,
                headers,
                as_received: self.as_received || entry.as_received == Some(true),
                app_url: self
                    .app_url
                    .as_ref()
                    .or(entry.app_url.as_ref())
                    .map(|url| target::app_url(url))
                    .transpose()?,
            },
            insecure: self.insecure || entry.insecure == Some(true),
            timeout: self.timeout.or(from_file(&entry.timeout)?).unwrap_or(DEFAULT_TIMEOUT),
            reply_within: self.reply_within.or(from_file(&entry.reply_within)?),
            respond,
            queued_status,
            hold: self.hold || entry.hold == Some(true),
            retry: self.retry.or(entry.retry).unwrap_or(0),
            concurrency: self.concurrency.map(usize::from).or(entry.concurrency).map(|c| c.max(1)),
            filter,
            max_backlog: self.max_backlog.or(entry.max_backlog),
            dedupe: self.dedupe || entry.dedupe == Some(true),
            fetch_keys: self.fetch_keys || entry.fetch_keys == Some(true),
            confirm_subscriptions: self.confirm_subscriptions || entry.confirm_subscriptions == Some(true),
            mirror: self.mirror,
        };
        let settings = Settings { queued_status: u32::from(queued_status), max_body };
        Ok(Plan { name, said: args::said(entry), options, settings })
    }
    /// Fails with a param that nobody knows: those of the flags are for all endpoints, those of hook.toml for one.
    pub fn check_params(&self, providers: &Providers, plans: &[Plan]) -> Result<(), Failure> {
        let mut all = Vec::new();
        for plan in plans {
            let pinned = plan.options.provider.as_deref().map(|name| providers.named(name)).transpose()?;
            providers.check_params(&plan.said.params, pinned.as_slice())?;
            all.push(pinned);
        }
        // Where one takes events of anybody, anybody's are known.
        let all: Option<Vec<&Recipe>> = all.into_iter().collect();
        providers.check_params(&self.sender.secrets.params, &all.unwrap_or_default())
    }
}

/// A filter that can be decided before there is an answer.
fn before_forwarding(query: &str) -> Result<Filter, Failure> {
    let filter = event_ref::filter(query)?;
    let late = |kind: &TermKind| {
        matches!(
            kind,
            TermKind::Status { .. }
                | TermKind::Ms(_)
                | TermKind::Replayed(_)
                | TermKind::Delivered(_)
                | TermKind::Marked(_)
                | TermKind::Field(Field::Response, _)
        )
    };
    if filter.terms().iter().any(|t| late(&t.kind)) {
        return Err(usage("--filter decides before your app has answered, so status:, ms:, resp:, delivered: and replay: cannot be in it.")
            .next("--filter 'path:/stripe json:.type=invoice.paid'"));
    }
    Ok(filter)
}

fn routes(targets: &[String]) -> Result<Vec<ForwardTo>, Failure> {
    let mut routes: Vec<ForwardTo> = Vec::new();
    for text in targets {
        let route: ForwardTo = text.parse().map_err(|bad: crate::target::BadTarget| {
            let shown = crate::sanitize::sanitize(&bad.text).into_owned();
            usage(format!("\"{shown}\" is not an address hook can forward to ({}).", bad.reason))
                .next("hook listen --forward-to localhost:3000/webhooks")
        })?;
        if routes.iter().any(|r| r.prefix == route.prefix) {
            let place =
                if route.prefix.is_empty() { "all paths".to_owned() } else { format!("paths below {}", route.prefix) };
            return Err(usage(format!("two targets for {place}. Give each its own prefix."))
                .next(format!("hook listen --forward-to /a={} --forward-to /b=…", route.target.host_port())));
        }
        let host = &route.target.host;
        if text.split_once('=').is_some_and(|(prefix, _)| !prefix.contains(['/', '?'])) {
            return Err(usage(format!("\"{}\" has no slash in front of its prefix.", crate::sanitize::sanitize(text)))
                .next(format!("hook listen --forward-to /{}", crate::sanitize::sanitize(text))));
        }
        if host.contains(',') || host == "http" || host == "https" {
            return Err(usage(format!(
                "\"{}\" is not an address hook can forward to.",
                crate::sanitize::sanitize(text)
            ))
            .next("hook listen --forward-to http://localhost:3000/path   (repeat the flag for several targets)"));
        }
        routes.push(route);
    }
    Ok(routes)
}

fn usage(what: impl Into<String>) -> Failure {
    Failure::usage(what)
}
