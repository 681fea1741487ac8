//! Reads a samples file: definitions, and the types of event that are made of them.

use super::file::{Definition, Expr, File, Member, Often, Type};
use super::lex::{Lexer, Piece, Token, pieces};
use super::value::Value;

/// Names that every event has one of: they belong to the event, not to the seed.
const OF_THE_EVENT: [&str; 7] = ["body", "headers", "query", "method", "format", "seen", "data"];

pub(super) fn file(text: &str) -> Result<File, String> {
    let mut parser = Parser::new(text, 1);
    parser.file().map_err(|problem| format!("line {}: {problem}", parser.line()))
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    ahead: Option<(Token, usize)>,
    last_line: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, line: usize) -> Self {
        Parser { lexer: Lexer::new(text, line), ahead: None, last_line: line }
    }

    fn line(&self) -> usize {
        self.ahead.as_ref().map_or(self.last_line.max(1), |(_, line)| *line)
    }

    fn file(&mut self) -> Result<File, String> {
        let mut file = File::default();
        while let Some(token) = self.next()? {
            match token {
                Token::Name(word) if word == "type" => file.types.push(self.event_type()?),
                Token::Name(word) => {
                    let often = match word.as_str() {
                        "let" => Often::Let,
                        "once" => Often::Once,
                        "def" => Often::Def,
                        _ => return Err(format!("\"{word}\" is none of let, once, def and type")),
                    };
                    let definition = self.definition(often)?;
                    if file.definitions.iter().any(|known| known.name == definition.name) {
                        return Err(format!("\"{}\" is defined twice", definition.name));
                    }
                    file.definitions.push(definition);
                }
                _ => return Err("a definition begins with let, once, def or type".to_owned()),
            }
        }
        Ok(file)
    }

    fn event_type(&mut self) -> Result<Type, String> {
        let names = self.lexer.until_colon().ok_or("a type lacks its colon")?;
        let names: Vec<String> = names.split(" | ").map(|name| name.trim().to_owned()).collect();
        if names.iter().any(|name| name.is_empty() || name.contains(char::is_whitespace)) {
            return Err(format!("\"{}\" cannot be the names of a type", names.join(" | ")));
        }
        let Some(Token::Text(about)) = self.next()? else { return Err("a type has a description".to_owned()) };
        self.expect('=')?;
        let data = self.expr()?;
        let mut with = Vec::new();
        if self.peek()? == Some(&Token::Name("with".to_owned())) {
            self.next()?;
            loop {
                with.push(self.definition(Often::Let)?);
                if !self.eat(',')? {
                    break;
                }
            }
        }
        Ok(Type { names, about, data, with })
    }

    fn definition(&mut self, often: Often) -> Result<Definition, String> {
        let Some(Token::Name(name)) = self.next()? else { return Err("a definition lacks its name".to_owned()) };
        let mut parameters = Vec::new();
        if often == Often::Def && self.eat('(')? {
            while let Some(Token::Name(parameter)) = self.peek()? {
                parameters.push(parameter.clone());
                self.next()?;
                if !self.eat(',')? {
                    break;
                }
            }
            self.expect(')')?;
        }
        self.expect('=')?;
        let often = if OF_THE_EVENT.contains(&name.as_str()) { Often::Once } else { often };
        Ok(Definition { name, parameters, often, expr: self.expr()? })
    }

    fn expr(&mut self) -> Result<Expr, String> {
        let mut left = self.product()?;
        while let Some(Token::Mark(mark @ ('+' | '-'))) = self.peek()? {
            let mark = *mark;
            self.next()?;
            left = Expr::Sum(Box::new(left), mark, Box::new(self.product()?));
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Expr, String> {
        let mut left = self.fields()?;
        while let Some(Token::Mark(mark @ ('*' | '/'))) = self.peek()? {
            let mark = *mark;
            self.next()?;
            left = Expr::Sum(Box::new(left), mark, Box::new(self.fields()?));
        }
        Ok(left)
    }

    fn fields(&mut self) -> Result<Expr, String> {
        let mut expr = self.primary()?;
        while self.eat('.')? {
            let field = match self.next()? {
                Some(Token::Name(name)) => name,
                Some(Token::Int(number)) => number.to_string(),
                _ => return Err("a point is followed by the name of a member".to_owned()),
            };
            expr = Expr::Field(Box::new(expr), field);
        }
        Ok(expr)
    }

    fn primary(&mut self) -> Result<Expr, String> {
        Ok(match self.next()?.ok_or("something is missing at the end")? {
            Token::Int(number) => Expr::Value(Value::Int(number)),
            Token::Number(text) => Expr::Value(Value::Number(text)),
            Token::Text(text) => self.text(&text)?,
            Token::Mark('-') if matches!(self.peek()?, Some(Token::Number(_))) => match self.next()? {
                Some(Token::Number(text)) => Expr::Value(Value::Number(format!("-{text}"))),
                _ => return Err("a number is missing".to_owned()),
            },
            Token::Mark('-') => Expr::Sum(Box::new(Expr::Value(Value::Int(0))), '-', Box::new(self.fields()?)),
            Token::Mark('(') => {
                let inner = self.expr()?;
                self.expect(')')?;
                inner
            }
            Token::Mark('[') => Expr::List(self.exprs(']')?),
            Token::Mark('{') => Expr::Map(self.members()?),
            Token::Name(name) => match name.as_str() {
                "true" => Expr::Value(Value::Bool(true)),
                "false" => Expr::Value(Value::Bool(false)),
                "null" => Expr::Value(Value::Null),
                "none" => Expr::Value(Value::None),
                _ if self.eat('(')? => Expr::Call(name, self.exprs(')')?),
                _ => Expr::Name(name),
            },
            Token::Mark(mark) => return Err(format!("\"{mark}\" cannot stand here")),
        })
    }

    fn text(&self, source: &str) -> Result<Expr, String> {
        let mut parts = Vec::new();
        for piece in pieces(source)? {
            parts.push(match piece {
                Piece::Plain(text) => Expr::Value(Value::Text(text)),
                Piece::Hole(source) => {
                    let mut inner = Parser::new(source, self.last_line);
                    let expr = inner.expr()?;
                    if inner.peek()?.is_some() {
                        return Err(format!("\"{source}\" in a text is more than one thing"));
                    }
                    expr
                }
            });
        }
        Ok(match parts.len() {
            1 if matches!(parts[0], Expr::Value(_)) => parts.remove(0),
            _ => Expr::Text(parts),
        })
    }

    fn exprs(&mut self, end: char) -> Result<Vec<Expr>, String> {
        let mut all = Vec::new();
        while !self.eat(end)? {
            all.push(self.expr()?);
            if !self.eat(',')? {
                self.expect(end)?;
                break;
            }
        }
        Ok(all)
    }

    fn members(&mut self) -> Result<Vec<Member>, String> {
        let mut all = Vec::new();
        while !self.eat('}')? {
            all.push(match self.next()? {
                Some(Token::Mark('…')) => Member::Spread(self.expr()?),
                Some(Token::Text(source)) => {
                    let Expr::Value(Value::Text(key)) = self.text(&source)? else {
                        return Err(format!("\"{source}\" cannot be the name of a member"));
                    };
                    self.expect(':')?;
                    Member::Pair(key, self.expr()?)
                }
                Some(Token::Name(name)) if self.eat(':')? => Member::Pair(name, self.expr()?),
                Some(Token::Name(name)) => Member::Pair(name.clone(), Expr::Name(name)),
                _ => return Err("a member begins with its name, or with ...".to_owned()),
            });
            if !self.eat(',')? {
                self.expect('}')?;
                break;
            }
        }
        Ok(all)
    }

    fn next(&mut self) -> Result<Option<Token>, String> {
        let next = match self.ahead.take() {
            Some(next) => Some(next),
            None => self.read()?,
        };
        Ok(next.map(|(token, line)| {
            self.last_line = line;
            token
        }))
    }

    fn peek(&mut self) -> Result<Option<&Token>, String> {
        if self.ahead.is_none() {
            self.ahead = self.read()?;
        }
        Ok(self.ahead.as_ref().map(|(token, _)| token))
    }

    fn read(&mut self) -> Result<Option<(Token, usize)>, String> {
        let read = self.lexer.next();
        self.last_line = self.lexer.line();
        read
    }

    fn eat(&mut self, mark: char) -> Result<bool, String> {
        let there = self.peek()? == Some(&Token::Mark(mark));
        if there {
            self.next()?;
        }
        Ok(there)
    }

    fn expect(&mut self, mark: char) -> Result<(), String> {
        if self.eat(mark)? { Ok(()) } else { Err(format!("a \"{mark}\" is missing")) }
    }
}
