//! Requests that came through nginx: other URLs than the one that was signed, and headers that it dropped or changed.

use std::fmt::Write;
use std::net::TcpStream;
use std::process::Command;

use hook_tests::{App, Process, wait_until};

use super::senders::{OF_BODIES, OF_URLS, secret_of, signed};
use super::{Case, NOW};

/// A place of nginx, what of the public URL it is called by, and why the app cannot verify what comes through.
struct Place {
    name: &'static str,
    /// What stands in its `location`.
    rules: &'static str,
    /// The public URL, before the host.
    scheme: &'static str,
    path: &'static str,
    causes: &'static [&'static str],
}

const HOST: &str = "proxy_set_header Host $host;";
/// What a careful proxy tells of the URL.
const TOLD: &str = "proxy_set_header X-Forwarded-Host $host; proxy_set_header X-Forwarded-Proto https;";
const ALL: &str = "proxy_pass http://app;";

const PLACES: [Place; 16] = [
    Place { name: "TLS ends before", rules: "HOST ALL", scheme: "https", path: "/hooks/in", causes: &["url_scheme"] },
    Place { name: "host told", rules: "TOLD ALL", scheme: "http", path: "/hooks/in", causes: &["url_host"] },
    Place {
        name: "host and TLS told",
        rules: "TOLD ALL",
        scheme: "https",
        path: "/hooks/in",
        causes: &["url_host", "url_scheme"],
    },
    Place { name: "host lost", rules: "ALL", scheme: "http", path: "/hooks/in", causes: &["unknown"] },
    Place { name: "host and TLS lost", rules: "ALL", scheme: "https", path: "/hooks/in", causes: &["unknown"] },
    Place {
        name: "port added",
        rules: "proxy_set_header Host $host:8080; ALL",
        scheme: "http",
        path: "/hooks/in",
        causes: &["url_port"],
    },
    Place {
        name: "slash added",
        rules: "HOST rewrite ^(.*[^/])$ $1/ break; ALL",
        scheme: "http",
        path: "/hooks/in",
        causes: &["url_slash"],
    },
    Place {
        name: "slash taken",
        rules: "HOST rewrite ^(.*)/$ $1 break; ALL",
        scheme: "http",
        path: "/hooks/in/",
        causes: &["url_slash"],
    },
    Place {
        name: "prefix taken, told",
        rules: "HOST proxy_set_header X-Forwarded-Prefix /hooks; rewrite ^/hooks(/.*)$ $1 break; ALL",
        scheme: "http",
        path: "/hooks/in",
        causes: &["url_path"],
    },
    Place {
        name: "prefix taken",
        rules: "HOST rewrite ^/hooks(/.*)$ $1 break; ALL",
        scheme: "http",
        path: "/hooks/in",
        causes: &["unknown"],
    },
    Place {
        name: "rewritten, told",
        rules: "HOST proxy_set_header X-Original-URI $request_uri; rewrite ^/hooks/in$ /api/v2/square break; ALL",
        scheme: "http",
        path: "/hooks/in",
        causes: &["url_path"],
    },
    Place {
        name: "rewritten",
        rules: "HOST rewrite ^/hooks/in$ /api/v2/square break; ALL",
        scheme: "http",
        path: "/hooks/in",
        causes: &["unknown"],
    },
    Place {
        name: "query taken",
        rules: "HOST set $args ''; ALL",
        scheme: "http",
        path: "/hooks/in?a=1&b=2",
        causes: &["unknown"],
    },
    Place {
        name: "query taken, told",
        rules: "HOST proxy_set_header X-Original-URI $request_uri; set $args ''; ALL",
        scheme: "http",
        path: "/hooks/in?a=1&b=2",
        causes: &["url_query"],
    },
    Place {
        name: "query added",
        rules: "HOST set $args 'source=nginx'; ALL",
        scheme: "http",
        path: "/hooks/in",
        causes: &["url_query"],
    },
    Place {
        name: "query turned",
        rules: "HOST set $args b=$arg_b&a=$arg_a; ALL",
        scheme: "http",
        path: "/hooks/in?a=1&b=2",
        causes: &["url_query"],
    },
];

/// nginx before an app, with a host name for each place.
struct Nginx {
    _process: Process,
    port: u16,
    app: App,
    _dir: tempfile::TempDir,
}

impl Nginx {
    fn start(places: &[(String, String)]) -> Self {
        let (dir, app) = (tempfile::tempdir().unwrap(), App::new());
        let port = free_port();
        let path = dir.path().display();
        let mut conf = format!(
            "daemon off; master_process off; pid {path}/pid; error_log stderr warn;\nevents {{}}\nhttp {{\naccess_log off;
             client_body_temp_path {path}/b; proxy_temp_path {path}/p; fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u;
             scgi_temp_path {path}/s; underscores_in_headers on; server_names_hash_bucket_size 128;
             upstream app {{ server 127.0.0.1:{}; }}\n",
            app.port()
        );
        for (host, rules) in places {
            let _ =
                writeln!(conf, "server {{ listen 127.0.0.1:{port}; server_name {host}; location / {{ {rules} }} }}");
        }
        conf.push('}');
        let file = dir.path().join("nginx.conf");
        std::fs::write(&file, conf).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(dir.path()).arg("-c").arg(&file);
        let process = Process::start(&mut command, b"");
        wait_until("nginx listens", || {
            assert!(process.is_running(), "nginx ended: {}", process.stderr.text());
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { _process: process, port, app, _dir: dir }
    }

    /// What the app gets of a request to a host: the URL as it sees it, and the fields.
    fn through(
        &self,
        host: &str,
        path: &str,
        fields: &[(String, String)],
        body: &str,
    ) -> (String, Vec<(String, String)>) {
        let before = self.app.count();
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--connect-to", &format!("{host}:80:127.0.0.1:{}", self.port), "--data-binary", body]);
        curl.args(["-H", "Expect:", "-o", "/dev/null"]);
        fields.iter().for_each(|(name, value)| {
            curl.args(["-H", &format!("{name}: {value}")]);
        });
        let done = curl.arg(format!("http://{host}{path}")).status().unwrap();
        assert!(done.success(), "curl through nginx: {done}");
        let request = self.app.request(before + 1);
        let fields: Vec<(String, String)> = request
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned()))
            .collect();
        let host = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).unwrap().1.clone();
        (format!("http://{host}{}", request.target()), fields)
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

pub fn cases() -> Vec<Case> {
    let host = |n: usize| format!("place-{n}.hooks.example.com");
    let rules = |text: &str| text.replace("HOST", HOST).replace("TOLD", TOLD).replace("ALL", ALL);
    let mut places: Vec<(String, String)> =
        PLACES.iter().enumerate().map(|(n, place)| (host(n), rules(place.rules))).collect();
    let headers = changed_headers();
    places.extend(headers.iter().enumerate().map(|(n, (_, _, text, _))| (host(100 + n), rules(text))));
    let nginx = Nginx::start(&places);
    let mut cases = Vec::new();
    for (provider, secret) in OF_URLS {
        for (n, place) in PLACES.iter().enumerate() {
            let (kind, body) = body_of(provider);
            let url = format!("{}://{}{}", place.scheme, host(n), place.path);
            let fields = signed(provider, secret, &url, kind, body.as_bytes());
            let (seen, fields) = nginx.through(&host(n), place.path, &fields, body);
            // Its library takes a URL with and without its port.
            let tolerant = provider == "twilio" && place.causes == ["url_port"];
            let causes = if tolerant { &["none"] } else { place.causes };
            cases.push(case(provider, format!("{provider}, {}", place.name), seen, fields, body, causes));
        }
    }
    for (n, (name, provider, _, causes)) in headers.iter().enumerate() {
        let (kind, body) = body_of(provider);
        let url = format!("http://{}/hooks/in", host(100 + n));
        let fields = signed(provider, secret_of(provider), &url, kind, body.as_bytes());
        let (seen, fields) = nginx.through(&host(100 + n), "/hooks/in", &fields, body);
        cases.push(case(provider, format!("{provider}, {name}"), seen, fields, body, causes));
    }
    cases
}

type Header = (&'static str, &'static str, String, &'static [&'static str]);

/// What happens to header fields, for providers whose signature stands in one.
fn changed_headers() -> Vec<Header> {
    let mut all: Vec<Header> = Vec::new();
    for provider in OF_BODIES.iter().chain(&OF_URLS).map(|(name, _)| *name) {
        let (kind, body) = body_of(provider);
        let fields = signed(provider, secret_of(provider), "http://x/", kind, body.as_bytes());
        let (name, _) = fields
            .iter()
            .find(|(name, _)| name.to_ascii_lowercase().contains("signature") || name.contains("Hmac"))
            .unwrap();
        let variable = format!("$http_{}", name.to_ascii_lowercase().replace('-', "_"));
        let drop = format!("HOST proxy_set_header {name} ''; ALL");
        all.push(("the signature dropped", provider, drop, &["unsigned"]));
        let renamed =
            format!("HOST proxy_set_header {name} ''; proxy_set_header {} {variable}; ALL", name.replace('-', "_"));
        all.push(("the signature's header with underscores", provider, renamed, &["header_renamed"]));
        let quoted = format!("HOST proxy_set_header {name} '\"{variable}\"'; ALL");
        all.push(("the signature in quotes", provider, quoted, &["signature_cut"]));
        let twice = format!("HOST proxy_set_header {name} '{variable}, {variable}'; ALL");
        if !["svix", "standard-webhooks", "stripe", "paddle"].contains(&provider) {
            all.push(("the signature twice", provider, twice, &["signature_repeated"]));
        }
    }
    for (provider, header) in [
        ("slack", "X-Slack-Request-Timestamp"),
        ("svix", "svix-id"),
        ("standard-webhooks", "webhook-timestamp"),
        ("hubspot", "X-HubSpot-Request-Timestamp"),
    ] {
        all.push((
            "another needed field dropped",
            provider,
            format!("HOST proxy_set_header {header} ''; ALL"),
            &["malformed"],
        ));
    }
    all.push((
        "the content type lost",
        "twilio",
        "HOST proxy_set_header Content-Type application/octet-stream; ALL".into(),
        &["content_type"],
    ));
    all
}

fn body_of(provider: &str) -> (&'static str, &'static str) {
    match provider {
        "twilio" => ("application/x-www-form-urlencoded", "From=%2B14155550123&Body=hi+there&SmsStatus=received"),
        _ => ("application/json", r#"{"id":"evt_1","type":"payment.created","amount":2000}"#),
    }
}

fn case(
    provider: &'static str,
    name: String,
    url: String,
    fields: Vec<(String, String)>,
    body: &str,
    causes: &'static [&'static str],
) -> Case {
    Case {
        name,
        provider,
        secret: secret_of(provider).into(),
        method: "POST",
        url,
        fields,
        body: body.into(),
        at: NOW,
        causes,
    }
}
