//! Why did this event fail? All that can be computed about one event: whether its signature is right and why not, what the
//! app saw of it and answered, and the fix for its framework. The words for a screen are `output/autopsy.rs`.

pub mod answer;
pub mod app;
pub mod finding;
pub mod framework;
pub mod held;
pub mod infer;
pub mod meaning;
pub mod probe;
mod recall;
pub mod which;

pub use app::{Cause, Seen};
pub use finding::Finding;
pub use framework::Framework;
pub use recall::Recalled;
