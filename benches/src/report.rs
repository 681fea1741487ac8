//! What is printed and written: ratios for people, every sample for programs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::part;
use crate::round::{Bound, Finding, Samples, Target};
use crate::stats;
use crate::system::file_system_of;

/// Whose figures the others are multiples of.
const BASE: &str = "bore";

/// The machine in a line.
pub fn machine(disk: &Path, memory: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": ")).map_or("unknown", |m| m.1);
    let disk = fs::canonicalize(disk.parent().unwrap_or(disk)).unwrap_or_else(|_| disk.to_owned());
    format!(
        "{cores} cores ({model}), Linux {}, disk {}, memory {}",
        kernel.trim(),
        file_system_of(&disk),
        file_system_of(memory)
    )
}

/// The targets that what was measured can judge.
pub fn findings(samples: &Samples) -> Vec<(&'static Target, Finding)> {
    let all = part::ALL.iter().flat_map(|part| part.targets);
    all.filter_map(|target| Some((target, target.judge(samples)?))).collect()
}

pub fn targets(findings: &[(&Target, Finding)]) -> String {
    let mut text = "| case | what | target | median | rounds | |\n|---|---|---|---|---|---|\n".to_owned();
    for (target, found) in findings {
        let unit = target.unit;
        let bound = match target.bound {
            Bound::AtLeast(bound) => format!("≥ {}{unit}", number(bound)),
            Bound::AtMost(bound) => format!("≤ {}{unit}", number(bound)),
            Bound::Stated => "stated".into(),
        };
        let verdict = found.holds.map_or("", |holds| if holds { "yes" } else { "**no**" });
        let (median, lowest, highest) = (number(found.median), number(found.lowest), number(found.highest));
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {bound} | {median}{unit} | {lowest} … {highest} | {verdict} |",
            target.case, target.what
        );
    }
    text
}

/// Where systems were measured side by side: their figures as multiples of bore's, the median over the rounds.
pub fn ratios(samples: &Samples) -> String {
    let mut text = String::new();
    for case in samples.cases() {
        let metrics = samples.metrics(case, BASE);
        if metrics.is_empty() {
            continue;
        }
        let rounds = samples.rounds(case);
        let _ = writeln!(text, "| {case}, × {BASE} | {} |\n|---|{}", metrics.join(" | "), "---|".repeat(metrics.len()));
        for system in samples.systems(case) {
            let over = |metric: &&str| {
                let all: Vec<f64> = rounds.iter().filter_map(|round| round.over(system, BASE, metric)).collect();
                stats::median(&all).map(number)
            };
            let cells: Vec<Option<String>> = metrics.iter().map(over).collect();
            if cells.iter().any(Option::is_some) {
                let cells: Vec<&str> = cells.iter().map(|cell| cell.as_deref().unwrap_or("–")).collect();
                let _ = writeln!(text, "| {system} | {} |", cells.join(" | "));
            }
        }
        text.push('\n');
    }
    text
}

pub fn json(machine: &str, samples: &Samples, findings: &[(&Target, Finding)]) -> String {
    let targets: Vec<_> = findings
        .iter()
        .map(|(target, found)| {
            let (kind, bound) = match target.bound {
                Bound::AtLeast(bound) => ("at least", Some(bound)),
                Bound::AtMost(bound) => ("at most", Some(bound)),
                Bound::Stated => ("stated", None),
            };
            json!({"case": target.case, "what": target.what, "unit": target.unit.trim(), "kind": kind, "bound": bound,
                "median": found.median, "lowest": found.lowest, "highest": found.highest, "holds": found.holds})
        })
        .collect();
    json!({"machine": machine, "targets": targets, "samples": samples.json()}).to_string()
}

/// Three digits are more than a run can tell.
fn number(n: f64) -> String {
    match n.abs() {
        a if a >= 100.0 => format!("{n:.0}"),
        a if a >= 10.0 => format!("{n:.1}"),
        _ => format!("{n:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_multiples_of_bore() {
        let mut samples = Samples::default();
        for (round, hook, bore) in [(0, 10.0, 20.0), (1, 30.0, 20.0), (2, 2.0, 2.0)] {
            samples.add("part/1", round, "hook", &[("rate", hook)]);
            samples.add("part/1", round, "bore", &[("rate", bore)]);
        }
        let text = ratios(&samples);
        assert!(text.contains("| part/1, × bore | rate |"), "{text}");
        assert!(text.contains("| hook | 1.00 |"), "{text}");
    }

    #[test]
    fn every_target_speaks_of_its_own_part() {
        for part in part::ALL {
            for target in part.targets {
                assert!(target.case.starts_with(part.name), "{}: {}", part.name, target.case);
            }
        }
    }
}
