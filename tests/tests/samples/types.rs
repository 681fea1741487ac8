//! Providers whose packages have a TypeScript type of each event: `tests/sdk/types.ts`.

use std::fmt::Write;
use std::process::Command;

use hook_tests::Sdk;
use tempfile::TempDir;

use crate::made::{bodies, events};

/// With each, the types of events that its package does not know.
const PROVIDERS: &[(&str, &[&str])] = &[
    ("adyen", &["balancePlatform.accountHolder.updated"]),
    ("discord", &[]),
    ("gocardless", &[]),
    ("line", &[]),
    ("linear", &[]),
    ("liveblocks", &[]),
    ("ms-graph", &[]),
    ("mux", &[]),
    ("notion", &[]),
    ("openai", &[]),
    ("paddle", &[]),
    ("plaid", &[]),
    ("replicate", &[]),
    ("resend", &[]),
    ("slack", &["url_verification"]),
    ("square", &[]),
    ("stripe", &[]),
    ("workos", &[]),
];

#[test]
fn bodies_have_the_types_of_their_providers_packages() {
    let mut program = Program::new();
    for (provider, without_type) in PROVIDERS {
        let events = events(provider);
        for event in &events {
            let kind = format!("of.{}<{event:?}>", provider.replace('-', "_"));
            if without_type.contains(&event.as_str()) {
                program.line(
                    &format!("{provider} {event}: is it without a type?"),
                    &format!("[{kind}] extends [never] ? true : false"),
                    "true",
                );
                continue;
            }
            for body in bodies(provider, event) {
                let name = format!("{provider} {event}, seed {}", body.seed);
                program.line(&name, &kind, &body.json.to_string());
            }
        }
        let gone: Vec<&&str> =
            without_type.iter().filter(|event| !events.iter().any(|known| known == *event)).collect();
        assert!(gone.is_empty(), "{provider} has no sample {gone:?}");
    }
    let wrong = program.compiled();
    assert!(wrong.is_empty(), "{}\n(`never` is a type of event that the package does not know)", wrong.join("\n"));
}

/// One constant on each line; the first imports the types.
struct Program {
    text: String,
    names: Vec<String>,
}

impl Program {
    fn new() -> Self {
        let types = Sdk::directory().join("src/types.ts");
        Self { text: format!("import type * as of from {types:?};\n"), names: vec!["types.ts".to_owned()] }
    }

    fn line(&mut self, name: &str, kind: &str, value: &str) {
        writeln!(self.text, "export const _{}: {kind} = {value};", self.names.len()).unwrap();
        self.names.push(name.to_owned());
    }

    /// What the compiler says about it, in one run for all, since to read the packages takes most of the time.
    fn compiled(&self) -> Vec<String> {
        let dir = TempDir::with_prefix("hook-samples-").unwrap();
        let source = dir.path().join("samples.ts");
        std::fs::write(&source, &self.text).unwrap();
        let packages = Sdk::directory().join("node_modules");
        let output = Command::new("node")
            .arg(packages.join("typescript/bin/tsc"))
            .args(["--strict", "--noEmit", "--skipLibCheck", "--preserveSymlinks", "--allowImportingTsExtensions"])
            .args(["--target", "es2022", "--module", "nodenext", "--types", "node", "--typeRoots"])
            .arg(packages.join("@types"))
            .arg(&source)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let complaints: Vec<String> = said.lines().map(|line| self.named(line)).collect();
        assert_eq!(output.status.success(), complaints.is_empty(), "tsc: {}\n{said}", output.status);
        complaints
    }

    /// `…samples.ts(7,65): error …` with the name of what is on line 7.
    fn named(&self, said: &str) -> String {
        let place = said.split_once("samples.ts(").and_then(|(_, rest)| rest.split_once("): "));
        let line = place.and_then(|(at, _)| at.split(',').next()?.parse::<usize>().ok());
        match (place, line) {
            (Some((_, complaint)), Some(line)) => format!("{}: {complaint:.300}", self.names[line - 1]),
            _ => format!("    {said:.300}"),
        }
    }
}
