//! The help of every command.

use hook_tests::Hook;
use insta::assert_snapshot;
use regex::Regex;

use crate::plain::Plain;
use crate::screen::run;

/// The commands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let all = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap());
    let name = Regex::new(r"(?m)^  (\w[\w-]*)").unwrap();
    name.captures_iter(all).map(|c| c[1].to_owned()).filter(|n| n != "help").collect()
}

#[test]
fn help_of_every_command() {
    let hook = Hook::new();
    let plain = Plain::of(&hook);
    assert_snapshot!("hook", run(&hook, &plain, &["--help"]));
    let mut todo: Vec<Vec<String>> = listed(&hook.run(["--help"]).stdout).into_iter().map(|c| vec![c]).collect();
    assert!(todo.len() >= 12, "{todo:?}");
    while let Some(command) = todo.pop() {
        let args: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        assert_snapshot!(format!("hook-{}", command.join("-")), run(&hook, &plain, &args));
        let short = args.iter().map(|a| if *a == "--help" { "-h" } else { a }).collect::<Vec<_>>();
        let (short, long) = (hook.run(short).succeeded(), hook.run(&args).succeeded());
        assert_eq!((short.stderr.as_str(), long.stderr.as_str()), ("", ""), "help that is asked for is data");
        for line in long.stdout.lines() {
            assert!(line.chars().count() <= 100, "wider than 100 columns: {line}");
        }
        for sub in listed(&long.stdout) {
            todo.push([command.as_slice(), &[sub]].concat());
        }
    }
}
