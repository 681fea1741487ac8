//! What a person says of the sender and its secrets: the same flags in every command that verifies or signs.

use std::path::PathBuf;

use clap::Args;

use super::secrets::{Given, Said};
use crate::config::{EndpointEntry, ProjectFile};
use crate::param::Param;
use crate::platform;

#[derive(Debug, Clone, Default, Args)]
pub struct ProviderArgs {
    /// Who sends, e.g. stripe [default: whom hook recognises]
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    #[command(flatten)]
    pub secrets: SecretSources,
}

/// The same where the sender is named otherwise.
#[derive(Debug, Clone, Default, Args)]
pub struct SecretSources {
    /// The environment variable that holds the signing secret (repeatable)
    #[arg(long, value_name = "NAME")]
    pub secret_env: Vec<String>,
    /// What a scheme needs besides the secret, e.g. webhook_id=…, or token=env:NAME from a variable (repeatable)
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = Param::parse)]
    pub params: Vec<Param>,
    /// A file of environment variables to look in before .env (repeatable)
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
}

impl ProviderArgs {
    pub fn given(&self, file: Option<&ProjectFile>) -> Given {
        self.secrets.given(file)
    }
}

impl SecretSources {
    /// With what hook.toml says of its endpoints.
    pub fn given(&self, file: Option<&ProjectFile>) -> Given {
        let entries = file.map(ProjectFile::endpoints).unwrap_or_default();
        let named = entries.iter().filter_map(|entry| Some((entry.name.clone()?, said(entry))));
        Given {
            flags: Said { variables: self.secret_env.clone(), params: self.params.clone() },
            alone: false,
            endpoints: named.collect(),
            env_files: self.env_files(),
        }
    }

    /// As paths that do not depend on where they are read.
    pub fn env_files(&self) -> Vec<PathBuf> {
        self.env_file.iter().map(|file| platform::here().join(file)).collect()
    }
}

/// What hook.toml says of one endpoint's secrets.
pub fn said(entry: &EndpointEntry) -> Said {
    let params = entry.param.iter().map(|(name, value)| Param { name: name.clone(), value: value.clone() }).collect();
    Said { variables: entry.secret_env.clone().into_vec(), params }
}
