//! What a template can do to a value: `{body|sha256|hex}`.

use std::borrow::Cow;
use std::io::Read as _;

use unicode_normalization::UnicodeNormalization as _;

use super::template::Scope;
use crate::bytes::{Encoding, Hash, crc32};
use crate::json::{self, Style};
use crate::request::{Field, Url, fields};

/// The longest body that a compressed one may become.
const MAX_UNPACKED: u64 = 16 << 20;
/// More headers than this are not signed by anyone.
const MAX_SIGNED_HEADERS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    Digest(Hash),
    /// With the secret as the key: handshakes prove knowledge of it.
    Hmac(Hash),
    Encode(Encoding),
    /// Unsigned decimal.
    Crc32,
    /// Unicode normalisation form KD.
    Nfkd,
    /// As a JSON string with its quotes.
    Json,
    /// As `JSON.stringify(JSON.parse(body))`: WorkOS.
    JsonCompact,
    /// Everything outside ASCII as `\uxxxx` and slashes as `\/`: Box.
    EscapeUnicode,
    /// Gzip undone, if it is gzip: Stream.
    Gunzip,
    /// Form fields sorted by name, name and value joined without anything between: Mandrill, Plivo.
    SortConcat,
    /// The same, with each repeated value once: Twilio.
    SortUniqueConcat,
    /// The URL without a port: Twilio.
    NoPort,
    /// The URL with the port of its scheme: Twilio.
    DefaultPort,
    /// The URL as Plivo signs it: query sorted, with what joins it to the form.
    PlivoUrl,
    /// The URL with the escapes decoded that HubSpot decodes.
    HubspotUrl,
    /// Path and query as Contentful's library escapes them.
    ContentfulPath,
    /// The headers named in a list, as Contentful signs them.
    HeaderList,
    Lower,
}

const NAMES: &str = "sha1, sha256, sha384, sha512, hmac-sha1, hmac-sha256, hmac-sha384, hmac-sha512, hex, base64, base64url, \
    crc32, nfkd, json, json_compact, escape_unicode, gunzip, sort_concat, sort_unique_concat, no_port, default_port, \
    plivo_url, hubspot_url, contentful_path, header_list, lower";

impl Filter {
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        let name = name.trim();
        if let Some(hash) = Hash::named(name) {
            return Ok(Filter::Digest(hash));
        }
        if let Some(hash) = name.strip_prefix("hmac-").and_then(Hash::named) {
            return Ok(Filter::Hmac(hash));
        }
        Ok(match name {
            "hex" => Filter::Encode(Encoding::Hex),
            "base64" => Filter::Encode(Encoding::Base64),
            "base64url" => Filter::Encode(Encoding::Base64url),
            "crc32" => Filter::Crc32,
            "nfkd" => Filter::Nfkd,
            "json" => Filter::Json,
            "json_compact" => Filter::JsonCompact,
            "escape_unicode" => Filter::EscapeUnicode,
            "gunzip" => Filter::Gunzip,
            "sort_concat" => Filter::SortConcat,
            "sort_unique_concat" => Filter::SortUniqueConcat,
            "no_port" => Filter::NoPort,
            "default_port" => Filter::DefaultPort,
            "plivo_url" => Filter::PlivoUrl,
            "hubspot_url" => Filter::HubspotUrl,
            "contentful_path" => Filter::ContentfulPath,
            "header_list" => Filter::HeaderList,
            "lower" => Filter::Lower,
            _ => return Err(format!("\"{name}\" is not a filter: those are {NAMES}")),
        })
    }

    /// `None` when there is nothing for this filter to work on.
    pub(crate) fn apply<'x>(self, value: Cow<'x, [u8]>, scope: &Scope<'x>) -> Option<Cow<'x, [u8]>> {
        let owned = |text: String| Some(Cow::Owned(text.into_bytes()));
        match self {
            Filter::Digest(hash) => Some(Cow::Owned(hash.digest(&[value]))),
            Filter::Hmac(_) if scope.only.is_some_and(|only| !only.fits(&value)) => None,
            Filter::Hmac(hash) => Some(Cow::Owned(hash.hmac(scope.secret?, &[value]))),
            Filter::Encode(encoding) => Some(Cow::Owned(encoding.encode(&value))),
            Filter::Crc32 => owned(crc32(&value).to_string()),
            Filter::Nfkd => owned(str::from_utf8(&value).ok()?.nfkd().collect()),
            Filter::Json => owned(json::quoted(&String::from_utf8_lossy(&value))),
            Filter::JsonCompact => owned(json::write(&json::parse(&value)?, Style::default())?),
            Filter::EscapeUnicode => owned(json::escaped(str::from_utf8(&value).ok()?)),
            Filter::Gunzip => gunzip(&value).map(Cow::Owned),
            Filter::SortConcat => Some(Cow::Owned(concat_sorted(scope.request.form()?, false))),
            Filter::SortUniqueConcat => Some(Cow::Owned(concat_sorted(scope.request.form()?, true))),
            Filter::NoPort => owned(with_port(str::from_utf8(&value).ok()?, false)),
            Filter::DefaultPort => owned(with_port(str::from_utf8(&value).ok()?, true)),
            Filter::PlivoUrl => Some(Cow::Owned(plivo_url(str::from_utf8(&value).ok()?, scope)?)),
            Filter::HubspotUrl => owned(hubspot_url(str::from_utf8(&value).ok()?)),
            Filter::ContentfulPath => owned(contentful_path(str::from_utf8(&value).ok()?)),
            Filter::HeaderList => Some(Cow::Owned(header_list(str::from_utf8(&value).ok()?, scope)?)),
            Filter::Lower => Some(Cow::Owned(value.to_ascii_lowercase())),
        }
    }
}

/// Undoes gzip, up to a bound; `None` for anything else.
pub(crate) fn gunzip(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return None;
    }
    let mut out = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(bytes).take(MAX_UNPACKED + 1).read_to_end(&mut out).ok()?;
    (read as u64 <= MAX_UNPACKED).then_some(out)
}

fn concat_sorted(fields: &[Field<'_>], unique: bool) -> Vec<u8> {
    let mut sorted: Vec<&Field<'_>> = fields.iter().collect();
    sorted.sort();
    if unique {
        sorted.dedup();
    }
    sorted.iter().flat_map(|(key, value)| [&**key, &**value]).collect::<Vec<_>>().concat()
}

fn with_port(url: &str, default: bool) -> String {
    let parts = Url::of(url);
    let host = parts.host();
    let authority = if default { format!("{host}:{}", parts.default_port()) } else { host.to_owned() };
    Url { authority: &authority, ..parts }.to_string()
}

fn plivo_url(url: &str, scope: &Scope<'_>) -> Option<Vec<u8>> {
    let parts = Url::of(url);
    let mut out = Url { query: None, ..parts }.to_string().into_bytes();
    let mut query = fields(parts.query.unwrap_or_default().as_bytes())?;
    query.sort();
    let form = scope.request.form().is_some_and(|fields| !fields.is_empty());
    if form || !query.is_empty() {
        out.push(b'?');
    }
    let joined: Vec<Vec<u8>> = query.iter().map(|(key, value)| [key, &b"="[..], value].concat()).collect();
    out.extend(joined.join(&b'&'));
    if form && !query.is_empty() {
        out.push(b'.');
    }
    Some(out)
}

/// developers.hubspot.com, "Validating requests", version 3: these escapes are decoded before signing.
fn hubspot_url(url: &str) -> String {
    let pairs = [
        ("%3A", ":"),
        ("%2F", "/"),
        ("%3F", "?"),
        ("%40", "@"),
        ("%21", "!"),
        ("%24", "$"),
        ("%27", "'"),
        ("%28", "("),
        ("%29", ")"),
        ("%2A", "*"),
        ("%2C", ","),
        ("%3B", ";"),
    ];
    pairs.iter().fold(url.to_owned(), |url, (escape, plain)| {
        url.replace(escape, plain).replace(&escape.to_ascii_lowercase(), plain)
    })
}

/// `encodeURI` of the path and of the query, which was escaped once before.
fn contentful_path(target: &str) -> String {
    const WORD: &str = "-_.!~*'()";
    const URI: &str = "-_.!~*'();,/?:@&=+$#";
    let escape = |text: &str, plain: &str| {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || plain.as_bytes().contains(&b);
        let one = |b: u8| if is_plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
        text.bytes().map(one).collect::<String>()
    };
    let mut parts = target.split('?');
    let path = escape(parts.next().unwrap_or_default(), URI);
    match parts.next().filter(|query| !query.is_empty()) {
        Some(query) => format!("{path}?{}", escape(&escape(query, WORD), URI)),
        None => path,
    }
}

fn header_list(names: &str, scope: &Scope<'_>) -> Option<Vec<u8>> {
    let names: Vec<String> =
        names.split(',').take(MAX_SIGNED_HEADERS + 1).map(|n| n.trim().to_ascii_lowercase()).collect();
    if names.len() > MAX_SIGNED_HEADERS {
        return None;
    }
    let each = names.iter().map(|name| Some([name.as_bytes(), b":", &scope.request.header(name)?].concat()));
    Some(each.collect::<Option<Vec<_>>>()?.join(&b';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_taken_off_and_put_on() {
        assert_eq!(with_port("https://h:8443/a?b=c:1", false), "https://h/a?b=c:1");
        assert_eq!(with_port("http://h/a", true), "http://h:80/a");
    }

    #[test]
    fn gunzip_is_bounded_and_takes_only_gzip() {
        assert_eq!(gunzip(b"plain"), None);
        assert_eq!(gunzip(&[0x1f, 0x8b, 8, 0]), None);
    }

    #[test]
    fn hubspot_decodes_a_fixed_list() {
        assert_eq!(hubspot_url("https://h/a%2fb%20c?d=%40"), "https://h/a/b%20c?d=@");
    }
}
