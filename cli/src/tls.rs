//! What a failed TLS handshake means, for people.

use std::io;

use rustls::{CertificateError, Error};

/// Why a handshake failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// The other end does not speak TLS at all.
    Plain,
    /// Its certificate is refused, and why.
    Certificate(&'static str),
    Other(String),
}

pub fn broken(error: &io::Error) -> Broken {
    match error.get_ref().and_then(|e| e.downcast_ref::<Error>()) {
        Some(Error::InvalidMessage(_)) => Broken::Plain,
        Some(Error::InvalidCertificate(why)) => Broken::Certificate(match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet",
            CertificateError::UnknownIssuer => "this machine does not know its issuer",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "it is for another name"
            }
            CertificateError::Revoked => "it was revoked",
            _ => "it is not one that a server may use",
        }),
        Some(Error::AlertReceived(_)) => Broken::Other("the other end broke the handshake off".into()),
        Some(_) => Broken::Other("the handshake failed".into()),
        None => Broken::Other(error.to_string()),
    }
}
