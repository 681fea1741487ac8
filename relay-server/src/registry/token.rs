use std::fmt;

use rusqlite::Connection;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::RegistryError;

/// Names a token, and so the owner of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(u64);

impl TokenId {
    /// The owner of everything at a relay without tokens.
    pub const LOCAL: Self = Self(0);

    pub(super) fn from_row(id: i64) -> Self {
        Self(id.unsigned_abs())
    }

    pub(super) fn to_row(self) -> i64 {
        super::signed(self.0)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A token as it can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    pub name: String,
    /// Milliseconds since 1970.
    pub created_at: u64,
    pub revoked_at: Option<u64>,
}

/// A token that was just made. Has no `Debug`, so that its secret is not logged.
pub struct NewToken {
    pub id: TokenId,
    pub secret: String,
}

/// `hk_` and 43 letters and digits, which hold all of the random bytes.
pub(super) fn secret(mut random: [u8; 32]) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digits = (0..43).map(|_| {
        // One step of a long division by 62; the remainder is the next digit.
        let remainder = random.iter_mut().fold(0, |carry, byte| {
            let value = carry << 8 | u16::from(*byte);
            // Below 256, because the carry is below 62.
            *byte = (value / 62) as u8;
            value % 62
        });
        char::from(DIGITS[usize::from(remainder)])
    });
    "hk_".chars().chain(digits).collect()
}

/// A plain hash is enough: nobody guesses 256 random bits.
pub(super) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// The tokens that fulfil an SQL condition, oldest first.
pub(super) fn all(db: &Connection, condition: &str) -> rusqlite::Result<Vec<Token>> {
    let mut query = db.prepare_cached(&format!(
        "SELECT id, name, created_at, revoked_at FROM tokens WHERE {condition} ORDER BY id"
    ))?;
    let tokens = query.query_map([], |row| {
        Ok(Token {
            id: TokenId::from_row(row.get(0)?),
            name: row.get(1)?,
            created_at: row.get::<_, i64>(2)?.unsigned_abs(),
            revoked_at: row.get::<_, Option<i64>>(3)?.map(i64::unsigned_abs),
        })
    })?;
    tokens.collect()
}

/// The valid token with this hash. Compares with every one in full, so that the time taken says nothing about any.
pub(super) fn holder(db: &Connection, hash: &[u8; 32]) -> rusqlite::Result<Option<TokenId>> {
    let mut query = db.prepare_cached("SELECT id, hash FROM tokens WHERE revoked_at IS NULL")?;
    let mut rows = query.query([])?;
    let mut holder = None;
    while let Some(row) = rows.next()? {
        if bool::from(row.get_ref(1)?.as_blob()?.ct_eq(hash)) {
            holder = Some(TokenId::from_row(row.get(0)?));
        }
    }
    Ok(holder)
}

/// The one of `tokens` that is meant. An id or a whole name goes before the beginning of a name.
pub(super) fn find(tokens: Vec<Token>, which: &str) -> Result<Token, RegistryError> {
    if let Some(exact) = tokens.iter().find(|token| token.name == which) {
        return Ok(exact.clone());
    }
    if let Some(exact) = tokens.iter().find(|token| token.id.to_string() == which) {
        return Ok(exact.clone());
    }
    let mut meant: Vec<Token> = tokens.into_iter().filter(|token| token.name.starts_with(which)).collect();
    match meant.pop() {
        Some(token) if meant.is_empty() && !which.is_empty() => Ok(token),
        Some(last) if !which.is_empty() => {
            meant.push(last);
            let names = meant.iter().map(|token| token.name.as_str()).collect::<Vec<_>>().join(", ");
            Err(RegistryError::AmbiguousToken { which: which.to_owned(), names })
        }
        _ => Err(RegistryError::NoSuchToken(which.to_owned())),
    }
}
