//! Where a process looks for secrets: files and names. What it finds there is nowhere in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where a `hook listen` finds the secrets of one endpoint: other commands of its project look there too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Lookup {
    /// Files of environment variables, whole paths, in the order in which they are looked in.
    pub env_files: Vec<String>,
    /// The only provider whose secrets are looked for: all events are taken for its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// Variables that hold secrets, whatever the provider.
    pub variables: Vec<String>,
    /// Values beside the secret that variables hold: name, and variable.
    pub params: Vec<(String, String)>,
    /// Variables of its own environment that hold a secret, which no other process can read; each as it may be shown.
    pub environment: BTreeMap<String, String>,
}

/// Where one secret was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub variable: String,
    /// `None`: the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl Lookup {
    /// In the form that is kept in a row of the journal.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What an earlier version left out is empty.
    pub fn of_text(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}
