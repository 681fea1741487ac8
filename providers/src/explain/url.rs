//! The URL is signed, and the request came by another one than the sender named.

use super::{Case, Cause, Found};
use crate::request::{Request, Url};

/// No variants are made of a longer URL, nor from a longer header field.
const MAX_URL: usize = 8 << 10;

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
    if !scheme.signs_url() || case.request.url.len() > MAX_URL {
        return None;
    }
    variant(case, |url| url != case.request.url && verifies(case, url)).map(|url| said(case, &url))
}

fn verifies(case: &Case<'_>, url: &str) -> bool {
    let request = Request::new(case.request.method, url, case.request.headers, case.request.body);
    case.right(&request, case.known).is_some()
}

/// What proxies tell in header fields of these names.
fn told(case: &Case<'_>, names: &[&str]) -> Vec<String> {
    let value = |name: &&str| String::from_utf8(case.request.header(name)?.into_owned()).ok();
    names.iter().filter_map(value).filter(|value| value.len() <= MAX_URL).collect()
}

/// The first that is accepted of other ways to write where the request went, those with the fewest changes first. Each is made
/// when it is its turn, and the budget ends it.
fn variant(case: &Case<'_>, mut accepts: impl FnMut(&str) -> bool) -> Option<String> {
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
    for base in bases {
        let (paths, queries) = (slashes(base.path), queries(base.query));
        for scheme in [base.scheme, if base.scheme == "https" { "http" } else { "https" }] {
            let base = Url { scheme, ..base };
            for port in [base.port(), None, Some(base.default_port()), port.as_deref()] {
                let authority = port.map_or_else(|| base.host().to_owned(), |port| format!("{}:{port}", base.host()));
                for (path, query) in paths.iter().flat_map(|path| queries.iter().map(move |query| (path, query))) {
                    let url = Url { scheme, authority: &authority, path, query: query.as_deref() }.to_string();
                    if !case.spend(url.len() as u64 + 64) {
                        return None;
                    }
                    if accepts(&url) {
                        return Some(url);
                    }
                }
            }
        }
    }
    None
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
    let says = format!("the URL is signed: it verifies for {right}, but came by {}", case.request.url);
    Found::new(difference(case.request.url, right), says).next(give(case, right))
}

pub(super) fn give(case: &Case<'_>, right: &str) -> String {
    format!("give {} exactly the URL that reaches the app, or verify against {right}", case.recipe.name)
}

/// In what two URLs differ first.
pub(super) fn difference(mine: &str, other: &str) -> Cause {
    let (mine, url) = (Url::of(mine), Url::of(other));
    if mine.scheme != url.scheme {
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::explain::{Around, explain};
    use crate::known::{Known, Secret};
    use crate::sign::sign;

    const NOW: u64 = 1_780_000_000_000;
    const FORM: (&str, &[u8]) = ("content-type", b"application/x-www-form-urlencoded");

    /// Signed for one URL, come by another.
    fn cause(signed: &str, came: &str) -> Cause {
        let catalog = Catalog::shipped();
        let recipe = catalog.get("twilio").unwrap();
        let known =
            Known { secrets: &[Secret { label: "x", value: "0123456789abcdef0123456789abcdef" }], ..Known::default() };
        let request = Request::new("POST", signed, &[FORM], b"Body=hi");
        let fields = sign(recipe, &request, &known, NOW).unwrap().apply(&[FORM]);
        let fields: Vec<(&str, &[u8])> = fields.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        explain(recipe, &Request::new("POST", came, &fields, b"Body=hi"), &known, &Around::default(), NOW).cause
    }

    #[test]
    fn a_url_that_is_too_long_has_no_variants() {
        let url = |scheme: &str, length: usize| format!("{scheme}://h.example/in?x={}", "a".repeat(length));
        assert_eq!(cause(&url("https", 99), &url("http", 99)), Cause::UrlScheme);
        assert_eq!(cause(&url("https", MAX_URL), &url("http", MAX_URL)), Cause::Unknown);
    }

    #[test]
    fn the_budget_ends_the_variants() {
        let catalog = Catalog::shipped();
        let recipe = catalog.get("twilio").unwrap();
        let url = format!("https://h.example/in?x={}", "a&".repeat(2000));
        let hosts: [(&str, &[u8]); 2] = [("x-forwarded-host", b"a.example"), ("x-original-host", b"b.example")];
        let request = Request::new("POST", &url, &hosts, b"");
        let others = vec!["https://c.example/some/where"; 8];
        let around = Around { other_urls: &others, ..Around::default() };
        let known = Known::default();
        let made = |budget: u64| {
            let case = Case::new(recipe, &request, &known, &around, NOW);
            case.budget.set(budget);
            let mut made = 0;
            assert_eq!(
                variant(&case, |url| {
                    made += url.len() as u64;
                    false
                }),
                None
            );
            made
        };
        let all = made(u64::MAX);
        assert!(all > 1 << 20, "{all} bytes of variants");
        assert!((1..=100_000).contains(&made(100_000)));
    }
}
