//! The URL is signed, and the request came by another one than the sender named.

use super::{Case, Cause, Found};
use crate::request::{Request, Url};

pub(super) fn differs(case: &Case<'_>) -> Option<Found> {
    let scheme = case.scheme?;
    if scheme.signs_method() {
        let other = ["POST", "PUT", "PATCH", "GET", "DELETE"].into_iter().find(|method| {
            let request = Request::new(method, case.request.url, case.request.headers, case.request.body);
            *method != case.request.method && case.right(&request, case.known).is_some()
        });
        if let Some(method) = other {
            let says = format!("it verifies as {method}, but came as {}", case.request.method);
            return Some(Found::new(Cause::Method, says).next("look for a redirect: it may turn POST into GET"));
        }
    }
    if !scheme.signs_url() {
        return None;
    }
    variants(case).into_iter().find(|url| url != case.request.url && verifies(case, url)).map(|url| said(case, &url))
}

fn verifies(case: &Case<'_>, url: &str) -> bool {
    let request = Request::new(case.request.method, url, case.request.headers, case.request.body);
    case.right(&request, case.known).is_some()
}

/// What proxies tell in header fields of these names.
fn told(case: &Case<'_>, names: &[&str]) -> Vec<String> {
    let value = |name: &&str| String::from_utf8(case.request.header(name)?.into_owned()).ok();
    names.iter().filter_map(value).collect()
}

/// Other ways to write where the request went, those with the fewest changes first.
fn variants(case: &Case<'_>) -> Vec<String> {
    let mine = Url::of(case.request.url);
    let hosts = told(case, &["x-forwarded-host", "x-original-host", "host"]);
    let port = told(case, &["x-forwarded-port"]).into_iter().next();
    let before = told(case, &["x-original-uri", "x-original-url", "x-forwarded-uri", "x-rewrite-url"]);
    let prefixed: Vec<String> = told(case, &["x-forwarded-prefix", "x-script-name"])
        .iter()
        .map(|prefix| format!("{}{}", prefix.trim_end_matches('/'), mine.path))
        .collect();
    let mut places = vec![mine];
    places.extend(prefixed.iter().map(|path| Url { path, ..mine }));
    places.extend(before.iter().map(|told| match Url::of(told) {
        place if place.scheme.is_empty() => Url { scheme: mine.scheme, authority: mine.authority, ..place },
        whole => whole,
    }));
    let mut bases = places.clone();
    bases.extend(hosts.iter().flat_map(|host| places.iter().map(move |place| Url { authority: host, ..*place })));
    let others = case.around.other_urls.iter().take(8);
    // Another URL of the endpoint as it stands, with this query, and its host with this path.
    for other in others.map(|url| Url::of(url)) {
        bases.extend([other, Url { query: mine.query, ..other }, Url { path: mine.path, query: mine.query, ..other }]);
    }
    // A proxy that took the front of the path off, or put it on.
    let fronts: Vec<String> =
        case.around.other_urls.iter().take(8).flat_map(|url| fronts(Url::of(url).path, mine.path)).collect();
    for other in case.around.other_urls.iter().take(8).map(|url| Url::of(url)) {
        bases.extend(fronts.iter().map(|path| Url { path, query: mine.query, ..other }));
    }
    bases.extend(fronts.iter().map(|path| Url { path, ..mine }));
    let mut all = Vec::new();
    for base in bases {
        for scheme in [base.scheme, if base.scheme == "https" { "http" } else { "https" }] {
            let base = Url { scheme, ..base };
            for port in [base.port(), None, Some(base.default_port()), port.as_deref()] {
                let authority = port.map_or_else(|| base.host().to_owned(), |port| format!("{}:{port}", base.host()));
                for path in slashes(base.path) {
                    for query in queries(base.query) {
                        let url = Url { scheme, authority: &authority, path: &path, query: query.as_deref() };
                        all.push(url.to_string());
                    }
                }
            }
        }
    }
    all
}

fn fronts(other: &str, mine: &str) -> Vec<String> {
    let other = other.trim_end_matches('/');
    let off = mine.strip_prefix(other).map(str::to_owned);
    [Some(format!("{other}{mine}")), off].into_iter().flatten().filter(|path| path != mine).collect()
}

fn slashes(path: &str) -> [String; 2] {
    let other = path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned);
    [path.to_owned(), other]
}

fn queries(query: Option<&str>) -> Vec<Option<String>> {
    let mut all = vec![query.map(str::to_owned)];
    if let Some(query) = query {
        let mut parts: Vec<&str> = query.split('&').collect();
        all.push(None);
        parts.reverse();
        all.push(Some(parts.join("&")));
        parts.sort_unstable();
        all.push(Some(parts.join("&")));
        all.push(Some(query.replace("%20", "+")));
        all.push(Some(query.replace('+', "%20")));
        all.push(Some(String::from_utf8_lossy(&crate::request::decoded(query.as_bytes())).into_owned()));
    }
    all
}

fn said(case: &Case<'_>, right: &str) -> Found {
    let (mine, url) = (Url::of(case.request.url), Url::of(right));
    let cause = if mine.scheme != url.scheme {
        Cause::UrlScheme
    } else if mine.host() != url.host() {
        Cause::UrlHost
    } else if mine.port() != url.port() {
        Cause::UrlPort
    } else if mine.path.trim_end_matches('/') == url.path.trim_end_matches('/') && mine.path != url.path {
        Cause::UrlSlash
    } else if mine.path != url.path {
        Cause::UrlPath
    } else {
        Cause::UrlQuery
    };
    let says = format!("the URL is signed: it verifies for {right}, but came by {}", case.request.url);
    Found::new(cause, says)
        .next(format!("give {} exactly the URL that reaches the app, or verify against {right}", case.recipe.name))
}
