//! Evaluates the definitions of one event.

use std::collections::HashMap;

use super::Options;
use super::file::{Definition, Expr, File, Member, Often, Type};
use super::functions;
use super::random::Random;
use super::value::Value;

/// Deeper than this, definitions go round in a circle.
const MAX_DEPTH: usize = 100;

/// One event in the making. Everything that is defined is the same wherever it is used.
pub(super) struct Maker<'a> {
    files: [&'a File; 2],
    kind: &'a Type,
    seed: u64,
    pub(super) now_ms: i64,
    pub(super) ids_ms: i64,
    known: HashMap<String, Value>,
    /// The arguments of the definition that is being called.
    arguments: Vec<(String, Value)>,
    random: Random,
    depth: usize,
}

impl<'a> Maker<'a> {
    /// The provider's file comes before the one that all share.
    pub(super) fn new(files: [&'a File; 2], kind: &'a Type, options: &Options<'_>) -> Self {
        let [now_ms, ids_ms] = [options.now_ms, options.ids_ms].map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
        let (seed, url) = (options.seed, options.url);
        let name = kind.names[0].as_str();
        let known =
            [("type", Value::text(name)), ("now", Value::Int(now_ms.div_euclid(1000))), ("url", Value::text(url))];
        let known = known.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let random = Random::new(seed, &[name]);
        Maker { files, kind, seed, now_ms, ids_ms, known, arguments: Vec::new(), random, depth: 0 }
    }

    pub(super) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// What is defined under this name; `None` when nothing is.
    pub(super) fn named(&mut self, name: &str) -> Result<Option<Value>, String> {
        if let Some(value) = self.known.get(name) {
            return Ok(Some(value.clone()));
        }
        let (often, expr) = match self.definition(name) {
            Some(definition) => (definition.often, &definition.expr),
            None if name == "data" => (Often::Once, &self.kind.data),
            None => return Ok(None),
        };
        if often == Often::Def {
            return self.eval(expr).map(Some).map_err(|problem| inside(name, problem));
        }
        let kind = self.kind.names[0].as_str();
        let names: &[&str] = if often == Often::Let { &[name] } else { &[name, kind] };
        let outer = std::mem::replace(&mut self.random, Random::new(self.seed, names));
        let arguments = std::mem::take(&mut self.arguments);
        let value = self.eval(expr).map_err(|problem| inside(name, problem));
        self.random = outer;
        self.arguments = arguments;
        let value = value?;
        self.known.insert(name.to_owned(), value.clone());
        Ok(Some(value))
    }

    /// A definition with parameters is evaluated with these arguments; `None` when there is none of this name.
    fn called(&mut self, name: &str, arguments: &[Expr]) -> Result<Option<Value>, String> {
        let Some(definition) = self.definition(name).filter(|d| !d.parameters.is_empty()) else { return Ok(None) };
        if arguments.len() != definition.parameters.len() {
            return Err(format!("{name} takes {} arguments", definition.parameters.len()));
        }
        let values = arguments.iter().map(|argument| self.eval(argument)).collect::<Result<Vec<_>, _>>()?;
        let given = definition.parameters.iter().cloned().zip(values).collect();
        let outer = std::mem::replace(&mut self.arguments, given);
        let value = self.eval(&definition.expr).map_err(|problem| inside(name, problem));
        self.arguments = outer;
        value.map(Some)
    }

    fn definition(&self, name: &str) -> Option<&'a Definition> {
        let all = self.kind.with.iter().chain(&self.files[0].definitions).chain(&self.files[1].definitions);
        all.into_iter().find(|definition| definition.name == name)
    }

    pub(super) fn eval(&mut self, expr: &Expr) -> Result<Value, String> {
        if self.depth == MAX_DEPTH {
            return Err("it is defined by itself".to_owned());
        }
        self.depth += 1;
        let value = self.look_at(expr);
        self.depth -= 1;
        value
    }

    fn look_at(&mut self, expr: &Expr) -> Result<Value, String> {
        Ok(match expr {
            Expr::Value(value) => value.clone(),
            Expr::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    text += &self.eval(part)?.plain();
                }
                Value::Text(text)
            }
            Expr::Name(name) if self.arguments.iter().any(|(known, _)| known == name) => {
                let given = self.arguments.iter().find(|(known, _)| known == name);
                given.map_or(Value::None, |(_, value)| value.clone())
            }
            Expr::Name(name) => self.named(name)?.ok_or_else(|| format!("\"{name}\" is not defined"))?,
            Expr::Field(of, field) => {
                let of = self.eval(of)?;
                of.get(field).cloned().ok_or_else(|| format!("there is no \"{field}\" in {}", of.json()))?
            }
            Expr::Call(name, arguments) => match self.called(name, arguments)? {
                Some(value) => value,
                None => functions::call(self, name, arguments).map_err(|problem| inside(name, problem))?,
            },
            Expr::List(items) => Value::List(items.iter().map(|item| self.eval(item)).collect::<Result<_, _>>()?),
            Expr::Map(members) => {
                let mut all = Value::Map(Vec::new());
                for member in members {
                    let more = match member {
                        Member::Pair(name, expr) => Value::Map(vec![(name.clone(), self.eval(expr)?)]),
                        Member::Spread(expr) => self.eval(expr)?,
                    };
                    if more != Value::None {
                        all = all.over(more);
                    }
                }
                all
            }
            Expr::Sum(left, mark, right) => sum(self.eval(left)?, *mark, self.eval(right)?)?,
        })
    }
}

fn inside(name: &str, problem: String) -> String {
    if problem.len() > 400 { problem } else { format!("{name}: {problem}") }
}

/// Numbers are added, texts and lists are joined, and one object is put over another.
fn sum(left: Value, mark: char, right: Value) -> Result<Value, String> {
    Ok(match (left, mark, right) {
        (Value::Int(a), '+', Value::Int(b)) => Value::Int(a.saturating_add(b)),
        (Value::Int(a), '-', Value::Int(b)) => Value::Int(a.saturating_sub(b)),
        (Value::Int(a), '*', Value::Int(b)) => Value::Int(a.saturating_mul(b)),
        (Value::Int(a), '/', Value::Int(b)) => Value::Int(a.checked_div(b).ok_or("nothing can be divided by 0")?),
        (Value::List(mut a), '+', Value::List(b)) => {
            a.extend(b);
            Value::List(a)
        }
        (Value::Map(a), '+', Value::Map(b)) => Value::Map(a).over(Value::Map(b)),
        (Value::Text(a), '+', b) => Value::Text(a + &b.plain()),
        (a, '+', Value::None) => a,
        (a, mark, b) => return Err(format!("{} {mark} {} is nothing", a.json(), b.json())),
    })
}
