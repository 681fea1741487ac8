//! What a template can call. Adding one is adding it to the `match`, and to docs/adding-a-provider.md.

use super::clock;
use super::file::Expr;
use super::make::Maker;
use super::moment;
use super::value::{Value, percent};
use crate::bytes::{Encoding, Hash, hex};

const HEX: &[u8] = b"0123456789abcdef";
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

const MAX_LENGTH: i64 = 4096;

pub(super) fn call(maker: &mut Maker<'_>, name: &str, arguments: &[Expr]) -> Result<Value, String> {
    let mut given = Arguments { maker, arguments };
    Ok(match name {
        // Random text.
        "hex" => given.random(HEX)?,
        "lower" => given.random(LOWER)?,
        "upper" => given.random(UPPER)?,
        "alnum" => given.random(ALNUM)?,
        "digits" => {
            let length = given.length(0)?;
            let random = given.maker.random();
            let first = random.text(b"123456789", length.min(1));
            Value::Text(first + &random.text(b"0123456789", length.saturating_sub(1)))
        }
        "random64" => {
            let bytes = given.length(0)?;
            let bytes = given.maker.random().bytes(bytes);
            text(Encoding::Base64.encode(&bytes))
        }
        "uuid" => Value::Text(given.maker.random().uuid()),
        // Ids that hold the moment in which they were made: so many seconds from now.
        "ulid" => {
            let ms = given.id_ms(0)?;
            Value::Text(moment::ulid(ms, given.maker.random()))
        }
        "ksuid" => {
            let ms = given.id_ms(0)?;
            Value::Text(moment::ksuid(ms, given.maker.random()))
        }
        "object_id" => {
            let ms = given.id_ms(0)?;
            Value::Text(moment::object_id(ms, given.maker.random()))
        }
        // Since an epoch in ms: Discord's, Twitter's.
        "snowflake" => {
            let (epoch, ms) = (given.int(0)?, given.id_ms(1)?);
            Value::Text(moment::snowflake(epoch, ms, given.maker.random()))
        }
        "id_ms" => Value::Int(given.id_ms(0)?),
        // Random numbers and choices.
        "int" => {
            let (low, high) = (given.int(0)?, given.int(1)?);
            Value::Int(given.maker.random().int(low, high))
        }
        "pick" => given.pick()?,
        // The second when the first is something, else the third.
        "if" => match given.value(0)? {
            Value::None | Value::Null | Value::Bool(false) => given.other()?,
            Value::Text(text) if text.is_empty() => given.other()?,
            _ => given.value(1)?,
        },
        "list" => {
            let length = given.length(0)?;
            let item = given.arguments.get(1).ok_or("it needs a length and an item")?;
            Value::List((0..length).map(|_| given.maker.eval(item)).collect::<Result<_, _>>()?)
        }
        // Times, at so many seconds from now.
        "unix" => Value::Int(given.at(0)?.div_euclid(1000)),
        "ms" => Value::Int(given.at(0)?),
        "iso" => given.time("%Y-%m-%dT%H:%M:%SZ", 0)?,
        "iso_ms" => given.time("%Y-%m-%dT%H:%M:%S.%LZ", 0)?,
        "date" => given.time("%Y-%m-%d", 0)?,
        "time" => {
            let pattern = given.text(0)?;
            given.time(&pattern, 1)?
        }
        // Text from text.
        "before" | "after" => {
            let (whole, mark) = (given.text(0)?, given.text(1)?);
            let (before, after) = whole.split_once(&mark).unwrap_or((&whole, ""));
            Value::text(if name == "before" { before } else { after })
        }
        "replace" => {
            let (whole, old, new) = (given.text(0)?, given.text(1)?, given.text(2)?);
            Value::Text(whole.replace(&old, &new))
        }
        "uppercase" => Value::Text(given.text(0)?.to_uppercase()),
        "lowercase" => Value::Text(given.text(0)?.to_lowercase()),
        "cut" => Value::Text(given.text(0)?.chars().take(given.length(1)?).collect()),
        "join" => match (given.value(0)?, given.text(1)?) {
            (Value::List(items), mark) => Value::Text(items.iter().map(Value::plain).collect::<Vec<_>>().join(&mark)),
            (other, _) => return Err(format!("{} is not a list", other.json())),
        },
        "base64" => text(Encoding::Base64.encode(given.text(0)?.as_bytes())),
        "sha1" => Value::Text(hex(&Hash::Sha1.digest(&[given.text(0)?.as_bytes()]))),
        "sha256" => Value::Text(hex(&Hash::Sha256.digest(&[given.text(0)?.as_bytes()]))),
        "query" => Value::Text(percent(&given.text(0)?)),
        "text" => Value::Text(given.text(0)?),
        "json" => Value::Text(given.value(0)?.json()),
        "xml" => Value::Text(given.value(1)?.xml(&given.text(0)?)),
        // Numbers from numbers.
        "number" => {
            let digits = given.text(0)?;
            digits.parse().map(Value::Int).map_err(|_| format!("\"{digits}\" is not a whole number"))?
        }
        "money" => Value::Text(decimal(given.int(0)?)),
        "decimal" => Value::Number(decimal(given.int(0)?)),
        "count" => match given.value(0)? {
            Value::List(items) => Value::Int(items.len() as i64),
            other => Value::Int(other.plain().len() as i64),
        },
        // The sum of one member of all items.
        "total" => {
            let (items, member) = (given.value(0)?, given.text(1)?);
            let Value::List(items) = items else { return Err("it needs a list".to_owned()) };
            let numbers = items.iter().map(|item| match item.get(&member) {
                Some(Value::Int(number)) => Ok(*number),
                _ => Err(format!("an item has no whole number \"{member}\"")),
            });
            Value::Int(numbers.sum::<Result<i64, String>>()?)
        }
        // An object whose members, named in one text, are all null.
        "nulls" => {
            let names = given.text(0)?;
            Value::Map(names.split_whitespace().map(|name| (name.to_owned(), Value::Null)).collect())
        }
        // Each item of a list without these members.
        "without" => {
            let dropped: Vec<String> = (1..given.arguments.len()).map(|n| given.text(n)).collect::<Result<_, _>>()?;
            without(given.value(0)?, &dropped)
        }
        _ => return Err("there is no such function".to_owned()),
    })
}

fn without(value: Value, dropped: &[String]) -> Value {
    match value {
        Value::List(items) => Value::List(items.into_iter().map(|item| without(item, dropped)).collect()),
        Value::Map(members) => Value::Map(members.into_iter().filter(|(name, _)| !dropped.contains(name)).collect()),
        other => other,
    }
}

/// Hundredths as `12.50`.
fn decimal(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
}

fn text(bytes: Vec<u8>) -> Value {
    Value::Text(String::from_utf8_lossy(&bytes).into_owned())
}

struct Arguments<'m, 'a, 'e> {
    maker: &'m mut Maker<'a>,
    arguments: &'e [Expr],
}

impl Arguments<'_, '_, '_> {
    fn value(&mut self, n: usize) -> Result<Value, String> {
        let argument = self.arguments.get(n).ok_or_else(|| format!("argument {} is missing", n + 1))?;
        self.maker.eval(argument)
    }

    fn other(&mut self) -> Result<Value, String> {
        if self.arguments.len() > 2 { self.value(2) } else { Ok(Value::None) }
    }

    fn text(&mut self, n: usize) -> Result<String, String> {
        self.value(n).map(|value| value.plain())
    }

    fn int(&mut self, n: usize) -> Result<i64, String> {
        match self.value(n)? {
            Value::Int(number) => Ok(number),
            other => Err(format!("{} is not a whole number", other.json())),
        }
    }

    fn length(&mut self, n: usize) -> Result<usize, String> {
        let length = self.int(n)?;
        usize::try_from(length).ok().filter(|_| length <= MAX_LENGTH).ok_or_else(|| format!("{length} is no length"))
    }

    fn random(&mut self, alphabet: &[u8]) -> Result<Value, String> {
        let length = self.length(0)?;
        Ok(Value::Text(self.maker.random().text(alphabet, length)))
    }

    /// One of the arguments, or of the items of the only one. Only what is picked is evaluated.
    fn pick(&mut self) -> Result<Value, String> {
        if self.arguments.len() > 1 {
            let at = self.maker.random().below(self.arguments.len() as u64);
            return self.value(at as usize);
        }
        match self.value(0)? {
            Value::List(items) if !items.is_empty() => {
                let at = self.maker.random().below(items.len() as u64);
                Ok(items[at as usize].clone())
            }
            other => Err(format!("nothing can be picked from {}", other.json())),
        }
    }

    /// Milliseconds at so many seconds from now; the fraction of now stays, and so looks like a real one.
    fn at(&mut self, n: usize) -> Result<i64, String> {
        self.offset(n).map(|ms| self.maker.now_ms.saturating_add(ms))
    }

    fn id_ms(&mut self, n: usize) -> Result<i64, String> {
        self.offset(n).map(|ms| self.maker.ids_ms.saturating_add(ms))
    }

    /// Seconds from now, in milliseconds; none are 0.
    fn offset(&mut self, n: usize) -> Result<i64, String> {
        let seconds = if self.arguments.len() > n { self.int(n)? } else { 0 };
        Ok(seconds.saturating_mul(1000))
    }

    fn time(&mut self, pattern: &str, n: usize) -> Result<Value, String> {
        self.at(n).map(|ms| Value::Text(clock::format(pattern, ms)))
    }
}
