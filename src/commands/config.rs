//! `docquay config`: the configuration as it takes effect, and where each value came from.

use crate::config::{Config, Effective};

/// The form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A `docquay.toml` that says the same.
    Toml,
    /// One object: each key with its value and its place.
    Json,
}

/// The configuration as text.
#[must_use]
pub fn run(config: &Config, form: Form) -> String {
    let effective = Effective::of(config);
    match form {
        Form::Toml => format!("{HEAD}\n{}", effective.toml()),
        Form::Json => format!("{:#}\n", effective.json()),
    }
}

const HEAD: &str = "\
# What docquay takes from its flags, its environment and its file; good as a docquay.toml.
# A line that begins with # is not set: what stands there is taken in its place.
";
