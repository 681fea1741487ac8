//! Secrets of hook's own making: no account is needed to send an app signed events.

use std::path::Path;

use hook_providers::Recipe;

use super::secrets::{From, Kept, Store};
use crate::failure::Failure;
use crate::platform;

/// Makes one in the provider's form and keeps it for the project, beside what a person keeps there.
pub fn make(project: &Path, endpoint: Option<&str>, recipe: &Recipe) -> Result<Kept, Failure> {
    let Some(new) = hook_providers::new_secret(recipe, rand::random()) else {
        let what = format!("only {} itself can sign as {} does: there is no secret to make.", recipe.name, recipe.slug);
        return Err(Failure::failed(what).next(format!("hook providers {}", recipe.slug)));
    };
    let kept = Kept {
        project: Some(project.to_owned()),
        endpoint: endpoint.map(str::to_owned),
        provider: recipe.slug.clone(),
        for_app: (new.for_app != new.secret).then_some(new.for_app),
        value: new.secret,
        from: From::Made,
    };
    Store::keep(kept.clone(), true)?;
    Ok(kept)
}

/// The variable in which an app expects a provider's secret.
pub fn usual_variable(recipe: &Recipe) -> String {
    let made_up = || format!("{}_WEBHOOK_SECRET", recipe.slug.to_ascii_uppercase().replace('-', "_"));
    recipe.secret.env.first().cloned().unwrap_or_else(made_up)
}

impl Kept {
    /// What the app is given.
    pub fn for_app(&self) -> &str {
        self.for_app.as_deref().unwrap_or(&self.value)
    }
}

/// Sets a variable in a file of environment variables, unless it is set. Whether it was written.
pub fn write(file: &Path, variable: &str, value: &str) -> Result<bool, Failure> {
    let failed = |what: &str, e: std::io::Error| {
        Failure::local(format!("{} cannot be {what}: {}.", platform::shown(file), crate::text::io(&e)))
    };
    // Through a link to the file itself: replacing the link would cut it off.
    let file = &file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let before = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed("read", error)),
    };
    let Some(after) = with_variable(&before, variable, value) else { return Ok(false) };
    platform::replace_file(file, after.as_bytes()).map_err(|e| failed("written", e))?;
    Ok(true)
}

/// A warning when git would take a file that holds a secret.
pub fn unignored(file: &Path) -> Option<String> {
    let shown = platform::shown(file);
    let name = file.file_name()?.to_string_lossy();
    (platform::is_git_ignored(file) == Some(false))
        .then(|| format!("{shown} is not ignored by git: add {name} to .gitignore before you commit."))
}

/// The text with the variable in it: in place of a line that sets it to nothing, else at the end. `None`: it has a value.
fn with_variable(text: &str, variable: &str, value: &str) -> Option<String> {
    let plain = value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./+=:-".contains(&b));
    let line = if plain { format!("{variable}={value}") } else { format!("{variable}='{value}'") };
    let set = |l: &str| {
        let l = l.trim_start();
        let l = l.strip_prefix("export ").unwrap_or(l).trim_start();
        let behind = l.strip_prefix(variable)?.trim_start().strip_prefix('=')?;
        Some(behind.trim().trim_matches(['"', '\'']).trim().to_owned())
    };
    let is_empty = |l: &str| set(l).is_some_and(|held| held.is_empty() || held.starts_with('#'));
    if text.lines().any(|l| set(l).is_some() && !is_empty(l)) {
        return None;
    }
    // One line is spliced in; all others stay to the byte, their endings too.
    let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut at = 0;
    for whole in text.split_inclusive('\n') {
        let bare = whole.strip_suffix('\n').unwrap_or(whole);
        let bare = bare.strip_suffix('\r').unwrap_or(bare);
        if is_empty(bare) {
            let after = &text[at + bare.len()..];
            let last = if after.is_empty() { ending } else { "" };
            return Some(format!("{}{line}{after}{last}", &text[..at]));
        }
        at += whole.len();
    }
    let before = if text.is_empty() || text.ends_with('\n') { "" } else { ending };
    Some(format!("{text}{before}{line}{ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_set_once_and_never_changed() {
        let with = |text| with_variable(text, "A_KEY", "x/+=");
        assert_eq!(with("").as_deref(), Some("A_KEY=x/+=\n"));
        assert_eq!(with("B=1").as_deref(), Some("B=1\nA_KEY=x/+=\n"));
        assert_eq!(with("A_KEY=\nB=1\n").as_deref(), Some("A_KEY=x/+=\nB=1\n"));
        assert_eq!(with("export A_KEY=\"\" \n").as_deref(), Some("A_KEY=x/+=\n"));
        assert_eq!(with("A_KEY= # fill in\n").as_deref(), Some("A_KEY=x/+=\n"));
        assert_eq!(with("#A_KEY=old\nA_KEY_2=x\n").as_deref(), Some("#A_KEY=old\nA_KEY_2=x\nA_KEY=x/+=\n"));
        let odd = "B=1\r\nC='2\n3'\n\r\n";
        assert_eq!(with(odd), Some(format!("{odd}A_KEY=x/+=\r\n")));
        assert_eq!(with("B=1\r\nA_KEY=\r\nC=2").as_deref(), Some("B=1\r\nA_KEY=x/+=\r\nC=2"));
        assert_eq!(with("B=1\r\nA_KEY=").as_deref(), Some("B=1\r\nA_KEY=x/+=\r\n"));
        for set in ["A_KEY=y", " export A_KEY = 'y'\n", "A_KEY=\nA_KEY=y\n"] {
            assert_eq!(with(set), None, "{set}");
        }
        assert_eq!(with_variable("", "A", "a|b").as_deref(), Some("A='a|b'\n"));
    }

    #[test]
    fn a_new_file_is_private_and_an_old_one_stays_as_it_is() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (new, old, link) = (dir.path().join(".env.local"), dir.path().join(".env"), dir.path().join("link"));
        assert!(write(&new, "A", "1").unwrap() && mode(&new) == 0o600);
        std::fs::write(&old, "B=2\n").unwrap();
        std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&old, &link).unwrap();
        assert!(write(&link, "A", "1").unwrap() && mode(&old) == 0o644 && link.is_symlink());
        assert!(!write(&old, "A", "2").unwrap());
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "B=2\nA=1\n");
    }
}
