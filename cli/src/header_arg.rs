//! Header fields as people type them: `Name: value`.

use hook_proto::Header;

use crate::failure::Failure;

/// One `--header`.
pub fn parse(text: &str) -> Result<Header, Failure> {
    let bad = || {
        Failure::usage(format!("\"{}\" is not a header.", crate::sanitize::sanitize(text)))
            .next("--header 'Name: value'")
    };
    let (name, value) = text.split_once(':').ok_or_else(bad)?;
    let name = http::HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| bad())?;
    if hook_relay_server::is_hop_by_hop(name.as_str()) || matches!(name.as_str(), "host" | "content-length") {
        return Err(Failure::usage(format!(
            "{name} belongs to the connection and cannot be set (for Host: --host-header)."
        )));
    }
    Ok(Header::new(name.as_str(), self::value(value.trim())?.into_bytes()))
}

/// A header's value as an argument.
pub fn value(value: &str) -> Result<String, Failure> {
    match http::HeaderValue::from_str(value) {
        Ok(_) => Ok(value.to_owned()),
        Err(_) => Err(Failure::usage(format!("\"{}\" cannot be a header's value.", crate::sanitize::sanitize(value)))
            .next("--header 'Name: value'")),
    }
}
