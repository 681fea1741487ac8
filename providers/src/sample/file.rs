//! A samples file as it was read.

use super::value::Value;

#[derive(Clone, Debug)]
pub(super) enum Expr {
    Value(Value),
    /// Text with holes.
    Text(Vec<Expr>),
    Name(String),
    Field(Box<Expr>, String),
    Call(String, Vec<Expr>),
    List(Vec<Expr>),
    Map(Vec<Member>),
    Sum(Box<Expr>, char, Box<Expr>),
}

#[derive(Clone, Debug)]
pub(super) enum Member {
    Pair(String, Expr),
    Spread(Expr),
}

/// How often a definition is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Often {
    /// Once, and the same for every type that is made with one seed.
    Let,
    /// Once in an event, and another for each type: the id of an event.
    Once,
    /// At each use: an item of a list.
    Def,
}

#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) name: String,
    /// Of a `def` that is called: `user(login, id)`.
    pub(super) parameters: Vec<String>,
    pub(super) often: Often,
    pub(super) expr: Expr,
}

/// One type of event.
#[derive(Clone, Debug)]
pub(super) struct Type {
    /// Its name, then other names that mean it.
    pub(super) names: Vec<String>,
    pub(super) about: String,
    pub(super) data: Expr,
    /// Definitions that this type has of its own.
    pub(super) with: Vec<Definition>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) definitions: Vec<Definition>,
    pub(super) types: Vec<Type>,
}
