//! The messages of the wire as data: read from a `.proto` text, or from the Rust types.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default, PartialEq)]
pub struct Schema {
    pub messages: BTreeMap<String, BTreeMap<u64, Field>>,
    pub enums: BTreeMap<String, BTreeMap<u64, String>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub kind: String,
    /// Empty, `repeated`, `optional`, or `oneof NAME`.
    pub label: String,
}

impl Schema {
    pub fn field(&mut self, message: &str, tag: &str, field: Field) {
        let fields = self.messages.entry(message.to_owned()).or_default();
        let tag: u64 = tag.parse().unwrap_or_else(|_| panic!("{message}.{}: tag {tag:?}", field.name));
        assert!(fields.values().all(|f| f.name != field.name), "{message}.{} twice", field.name);
        if let Some(other) = fields.insert(tag, field) {
            panic!("tag {tag} of {message} twice: {}", other.name);
        }
    }

    pub fn value(&mut self, name: &str, value: &str, number: &str) {
        let number = number.parse().unwrap_or_else(|_| panic!("{name}.{value}: number {number:?}"));
        let old = self.enums.entry(name.to_owned()).or_default().insert(number, value.to_owned());
        assert_eq!(old, None, "number {number} of {name} twice");
    }

    /// Reads the part of the language that the wire needs, and refuses the rest.
    pub fn from_proto(text: &str) -> Self {
        let bare: String = text.lines().flat_map(|line| [line.split("//").next().unwrap_or(""), "\n"]).collect();
        let spaced = ["{", "}", "=", ";"].iter().fold(bare, |text, mark| text.replace(mark, &format!(" {mark} ")));
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut schema = Self::default();
        let mut rest = words.as_slice();
        let (mut item, mut name, mut oneof) = ("", "", None);
        while !rest.is_empty() {
            rest = match (item, rest) {
                ("", ["syntax", "=", "\"proto3\"", ";", rest @ ..] | ["package", _, ";", rest @ ..]) => rest,
                ("", [what @ ("message" | "enum"), named, "{", rest @ ..]) => {
                    (item, name) = (what, named);
                    rest
                }
                ("message", ["oneof", named, "{", rest @ ..]) if oneof.is_none() => {
                    oneof = Some(*named);
                    rest
                }
                ("message", ["}", rest @ ..]) if oneof.is_some() => {
                    oneof = None;
                    rest
                }
                ("message" | "enum", ["}", rest @ ..]) => {
                    item = "";
                    rest
                }
                ("enum", [value, "=", number, ";", rest @ ..]) => {
                    schema.value(name, value, number);
                    rest
                }
                ("message", [label @ ("repeated" | "optional"), kind, field, "=", tag, ";", rest @ ..]) => {
                    schema.field(name, tag, Field::new(field, kind, label));
                    rest
                }
                ("message", [kind, field, "=", tag, ";", rest @ ..]) => {
                    let label = oneof.map(|oneof| format!("oneof {oneof}"));
                    schema.field(name, tag, Field::new(field, kind, &label.unwrap_or_default()));
                    rest
                }
                _ => panic!("not understood: {:?}", &rest[..rest.len().min(8)]),
            };
        }
        assert_eq!(item, "", "{name} has no end");
        schema
    }

    /// Checks that a frame is a message of this schema, with no tag beyond it. Notes each field that it meets as `Message.field`.
    pub fn walk(&self, message: &str, mut bytes: &[u8], met: &mut BTreeSet<String>) {
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let field = self.messages[message].get(&(key >> 3));
            let field = field.unwrap_or_else(|| panic!("{message} has no tag {}", key >> 3));
            let place = format!("{message}.{}", field.name);
            let number =
                matches!(field.kind.as_str(), "uint32" | "uint64" | "bool") || self.enums.contains_key(&field.kind);
            let packed = number && field.label == "repeated";
            let wire_type = if number && !packed { 0 } else { 2 };
            assert_eq!(key & 7, wire_type, "wire type of {place}");
            if wire_type == 0 {
                self.number(&place, &field.kind, varint(&mut bytes));
            } else {
                let length = usize::try_from(varint(&mut bytes)).expect("a length");
                let (mut content, rest) = bytes.split_at(length);
                bytes = rest;
                match field.kind.as_str() {
                    "bytes" => {}
                    "string" => assert!(std::str::from_utf8(content).is_ok(), "{place} is not UTF-8"),
                    kind if packed => {
                        while !content.is_empty() {
                            self.number(&place, kind, varint(&mut content));
                        }
                    }
                    kind => self.walk(kind, content, met),
                }
            }
            met.insert(place);
        }
    }

    fn number(&self, place: &str, kind: &str, value: u64) {
        let fits = match kind {
            "bool" => value <= 1,
            "uint32" => value <= u64::from(u32::MAX),
            "uint64" => true,
            _ => self.enums[kind].contains_key(&value),
        };
        assert!(fits, "{place} is {value}");
    }
}

impl Field {
    pub fn new(name: &str, kind: &str, label: &str) -> Self {
        Self { name: name.to_owned(), kind: kind.to_owned(), label: label.to_owned() }
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().expect("the rest of a varint");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return value;
        }
    }
    panic!("a varint of more than ten bytes");
}

/// `ReplyData` as `reply_data`.
pub fn snake(name: &str) -> String {
    let words = name.char_indices().map(|(at, c)| {
        let gap = if at > 0 && c.is_uppercase() { "_" } else { "" };
        format!("{gap}{}", c.to_ascii_lowercase())
    });
    words.collect()
}
