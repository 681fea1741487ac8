//! `docs/protocol.md` says what the code does: its schema, its constants and its example.

mod common;
mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use hook_proto::wire;
use schema::{Field, Schema, snake};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn page() -> String {
    fs::read_to_string(root().join("../docs/protocol.md")).expect("docs/protocol.md")
}

/// The fenced blocks of the page: what is behind the fence, and the text.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let mut parts = page.split("```").skip(1);
    let mut blocks = Vec::new();
    while let (Some(block), Some(_)) = (parts.next(), parts.next()) {
        blocks.push(block.split_once('\n').expect("a fence ends its line"));
    }
    blocks
}

fn documented() -> Schema {
    let page = page();
    let protos: Vec<_> = blocks(&page).into_iter().filter(|(info, _)| *info == "proto").collect();
    assert_eq!(protos.len(), 1, "the schema is one block");
    Schema::from_proto(protos[0].1)
}

/// The schema that the `prost` attributes in the source declare, which are what is compiled.
#[derive(Default)]
struct Source {
    schema: Schema,
    /// `HeaderList` is `Header`.
    aliases: BTreeMap<String, String>,
    /// The variants of each oneof, by path.
    variants: BTreeMap<String, BTreeMap<String, Field>>,
    /// Message, field, path and tags of each oneof.
    oneofs: Vec<[String; 4]>,
}

fn between<'a>(line: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let rest = &line[line.find(start)? + start.len()..];
    Some(&rest[..rest.find(end)?])
}

impl Source {
    fn read(text: &str) -> Schema {
        let mut source = Self::default();
        let mut lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.retain(|line| !line.is_empty() && !line.starts_with("//"));
        for line in &lines {
            if let (Some(alias), Some(of)) = (between(line, "pub type ", " = Vec<"), between(line, " = Vec<", ">;")) {
                source.aliases.insert(alias.to_owned(), of.to_owned());
            }
        }
        let (mut module, mut derived, mut item, mut attribute) = ("", "", String::new(), None);
        for line in lines {
            if let Some(text) = line.strip_prefix("#[prost(") {
                attribute = Some(text.strip_suffix(")]").expect("a prost attribute is one line"));
            } else if let Some(text) = line.strip_prefix("#[derive(") {
                derived = text;
            } else if line.starts_with("#[") {
            } else if let Some(name) = between(line, "pub mod ", " {") {
                module = name;
            } else if let Some(name) = between(line, "pub struct ", " {").or(between(line, "pub enum ", " {")) {
                let place =
                    if derived.contains("prost::Oneof") { format!("{module}::{name}") } else { name.to_owned() };
                item = if derived.contains("prost::") { place } else { String::new() };
            } else if let Some(attribute) = attribute.take() {
                source.member(&item, attribute, line.trim_end_matches(','));
            } else if line == "}" {
                (derived, module) = ("", if item.is_empty() { "" } else { module });
                item.clear();
            } else if let (false, Some((value, number))) = (item.is_empty(), line.split_once(" = ")) {
                source.schema.value(&item, &snake(value).to_uppercase(), number.trim_end_matches(','));
            }
        }
        for [message, name, path, tags] in source.oneofs {
            let variants = source.variants.remove(&path).unwrap_or_else(|| panic!("no enum {path}"));
            let listed: BTreeSet<&str> = tags.split(", ").collect();
            assert_eq!(listed, variants.keys().map(String::as_str).collect(), "the tags of {message}.{name}");
            for (tag, mut field) in variants {
                field.label = format!("oneof {name}");
                source.schema.field(&message, &tag, field);
            }
        }
        source.schema
    }

    fn member(&mut self, item: &str, attribute: &str, line: &str) {
        let value = |key: &str| between(attribute, &format!("{key} = \""), "\"").map(str::to_owned);
        if let (Some(path), Some(tags)) = (value("oneof"), value("tags")) {
            let name = between(line, "pub ", ":").expect("a field").to_owned();
            return self.oneofs.push([item.to_owned(), name, path, tags]);
        }
        let tag = value(" tag").unwrap_or_else(|| panic!("no tag for {line}"));
        if let (Some(path), Some((variant, kind))) = (item.contains("::").then_some(item), line.split_once('(')) {
            let kind = kind.trim_end_matches(')').rsplit("::").next().unwrap_or(kind);
            self.variants.entry(path.to_owned()).or_default().insert(tag, Field::new(&snake(variant), kind, ""));
            return;
        }
        let (name, rust) = line.strip_prefix("pub ").and_then(|field| field.split_once(": ")).expect("a field");
        let kind = match attribute.split([',', ' ']).next().unwrap_or("") {
            "message" => {
                let inner = rust.rsplit(['<', ':']).next().unwrap_or(rust).trim_end_matches('>');
                self.aliases.get(inner).map_or(inner, String::as_str).to_owned()
            }
            "enumeration" => value("enumeration").expect("an enumeration has a name"),
            scalar => scalar.to_owned(),
        };
        let label = match (attribute.contains(", repeated"), attribute.contains(", optional")) {
            (true, _) => "repeated",
            (false, true) if !attribute.starts_with("message") => "optional",
            _ => "",
        };
        self.schema.field(item, &tag, Field::new(name.trim_start_matches("r#"), &kind, label));
    }
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] }).collect()
}

#[test]
fn the_schema_is_that_of_the_types() {
    let files = rust_files(&root().join("src"));
    let text: String = files.iter().map(|file| fs::read_to_string(file).expect("a source file") + "\n").collect();
    let (page, code) = (documented(), Source::read(&text));
    for (message, fields) in &code.messages {
        assert_eq!(page.messages.get(message), Some(fields), "message {message}: on the page, and in the code");
    }
    for (name, values) in &code.enums {
        assert_eq!(page.enums.get(name), Some(values), "enum {name}: on the page, and in the code");
    }
    assert_eq!(page, code, "the page has more");
}

#[test]
fn the_golden_frames_are_messages_of_the_schema_and_use_all_of_it() {
    let schema = documented();
    let mut met = BTreeSet::new();
    for (name, frame) in common::frames() {
        let mut parts = name.split('.');
        let message = if parts.next() == Some("to_cli") { "ToCli" } else { "ToRelay" };
        let mut here = BTreeSet::new();
        schema.walk(message, &frame, &mut here);
        let kind = format!("{message}.{}", parts.next().unwrap_or_default());
        assert!(here.contains(&kind), "{name} is not {kind}, but has {here:?}");
        met.append(&mut here);
    }
    for (message, fields) in &schema.messages {
        for field in fields.values() {
            let field = format!("{message}.{}", field.name);
            assert!(met.contains(&field), "{field} is in no golden frame");
        }
    }
}

#[test]
fn the_constants_are_those_of_the_code() {
    let page = page();
    let constants = [
        ("VERSION", wire::VERSION.to_string()),
        ("CONNECT_PATH", format!("`{}`", wire::CONNECT_PATH)),
        ("MAX_MESSAGE", wire::MAX_MESSAGE.to_string()),
        ("MAX_CHUNK", wire::MAX_CHUNK.to_string()),
        ("WINDOW", wire::WINDOW.to_string()),
    ];
    for (name, value) in constants {
        let row = format!("| `{name}` | {value} |");
        assert!(page.contains(&row), "no {row}");
    }
    assert!(page.contains(&format!("GET {} HTTP/1.1", wire::CONNECT_PATH)));
    assert!(page.contains(&format!("It describes version {}.", wire::VERSION)));
}

#[test]
fn the_example_is_made_of_golden_frames() {
    let (page, frames) = (page(), common::frames());
    let mut shown = BTreeSet::new();
    for (info, text) in blocks(&page) {
        let Some(name) = info.strip_prefix("hex ") else { continue };
        let digits: String = text.lines().map(|line| line.split('#').next().unwrap_or("")).collect();
        assert_eq!(Some(&common::unhex(&digits)), frames.get(name), "{name}");
        shown.insert(name);
    }
    for name in ["to_relay.hello", "to_cli.welcome", "to_cli.event", "to_relay.reply", "to_relay.ack.one"] {
        assert!(shown.contains(name), "the example has no {name}");
    }
}
