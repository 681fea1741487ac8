//! The causes that can be computed.

/// Why a signature does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It verifies.
    None,
    /// It is a question of the provider's, which carries no signature or a wrong one on purpose.
    Handshake,
    /// There is no signature.
    Unsigned,
    /// It names a key at a place that is not the provider's.
    ForeignKey,
    /// A proxy spelled the header with underscores.
    HeaderRenamed,
    /// Something that the signature needs is missing or cannot be read.
    Malformed,
    /// The signature header came more than once, and one of them is right.
    SignatureRepeated,
    /// The signature is right without what surrounds it, or with what is missing around it.
    SignatureCut,
    /// The signature is right in another encoding.
    SignatureEncoding,
    /// The signature is right for another hash of the family.
    OtherHash,
    Stale,
    /// The timestamp lies in the future.
    ClockAhead,
    NoSecret,
    /// Another secret that hook knows made it.
    OtherSecret,
    SecretWhitespace,
    SecretQuoted,
    /// `NAME=` or `Bearer ` stands before the secret.
    SecretPrefixed,
    /// Text was taken for base64 or hexadecimal, or the other way round.
    SecretEncoding,
    SecretCase,
    /// It is another kind of string from the same dashboard.
    SecretMistaken,
    /// JSON was parsed and written again.
    BodyReformatted,
    /// Escapes or order of a form were changed.
    FormReencoded,
    LineEndings,
    /// A newline, or other white space, at the end came or went.
    TrailingNewline,
    ByteOrderMark,
    Charset,
    /// The body was unpacked, or is still packed.
    Compression,
    /// Without its content type a form is not read as one.
    ContentType,
    /// The body was wrapped: as a JSON string, or in base64.
    BodyWrapped,
    /// Not the body that was sent: it is empty, or cut.
    BodyMissing,
    UrlScheme,
    UrlHost,
    UrlPort,
    UrlSlash,
    UrlQuery,
    UrlPath,
    /// Another URL, that the signature does not name in clear.
    UrlOther,
    Method,
    /// The signature is right, but for another body.
    BodyOther,
    /// The signature is right, but something else that it is bound to differs: its issuer.
    BoundOther,
    /// Another provider's signature.
    OtherProvider,
    /// A published key has to be fetched before anything can be said.
    KeyNotFetched,
    /// Nothing that can be computed.
    Unknown,
}

impl Cause {
    /// The word for it in data.
    pub fn word(self) -> &'static str {
        match self {
            Cause::None => "none",
            Cause::Handshake => "handshake",
            Cause::Unsigned => "unsigned",
            Cause::ForeignKey => "foreign_key",
            Cause::HeaderRenamed => "header_renamed",
            Cause::Malformed => "malformed",
            Cause::SignatureRepeated => "signature_repeated",
            Cause::SignatureCut => "signature_cut",
            Cause::SignatureEncoding => "signature_encoding",
            Cause::OtherHash => "other_hash",
            Cause::Stale => "stale",
            Cause::ClockAhead => "clock_ahead",
            Cause::NoSecret => "no_secret",
            Cause::OtherSecret => "other_secret",
            Cause::SecretWhitespace => "secret_whitespace",
            Cause::SecretQuoted => "secret_quoted",
            Cause::SecretPrefixed => "secret_prefixed",
            Cause::SecretEncoding => "secret_encoding",
            Cause::SecretCase => "secret_case",
            Cause::SecretMistaken => "secret_mistaken",
            Cause::BodyReformatted => "body_reformatted",
            Cause::FormReencoded => "form_reencoded",
            Cause::LineEndings => "line_endings",
            Cause::TrailingNewline => "trailing_newline",
            Cause::ByteOrderMark => "byte_order_mark",
            Cause::Charset => "charset",
            Cause::Compression => "compression",
            Cause::ContentType => "content_type",
            Cause::BodyWrapped => "body_wrapped",
            Cause::BodyMissing => "body_missing",
            Cause::UrlScheme => "url_scheme",
            Cause::UrlHost => "url_host",
            Cause::UrlPort => "url_port",
            Cause::UrlSlash => "url_slash",
            Cause::UrlQuery => "url_query",
            Cause::UrlPath => "url_path",
            Cause::UrlOther => "url_other",
            Cause::Method => "method",
            Cause::BodyOther => "body_other",
            Cause::BoundOther => "bound_other",
            Cause::OtherProvider => "other_provider",
            Cause::KeyNotFetched => "key_not_fetched",
            Cause::Unknown => "unknown",
        }
    }
}
