//! The outputs: each consumes activities and shows them in its own way. None of them changes anything.

pub mod advice;
pub mod autopsy;
pub mod detail;
pub mod explanation;
pub mod json;
pub mod line;
pub mod mask;
pub mod probe;
pub mod row;
pub mod signature;

use crate::activity::Activity;

/// `--output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Line,
    Json,
}

/// Where activities go.
pub enum Output {
    Line(line::LineLog),
    Json(json::JsonLines),
}

impl Output {
    pub fn show(&mut self, activity: &Activity) {
        match self {
            Self::Line(line) => line.show(activity),
            Self::Json(json) => json.show(activity),
        }
    }
}
