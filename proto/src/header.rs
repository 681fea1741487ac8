use bytes::Bytes;

/// One header field. The name is lower case; the value is the exact bytes that were received.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Header {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// Header fields in the order received, duplicates included.
pub type HeaderList = Vec<Header>;

impl Header {
    pub fn new(name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}
