//! The closed table of methods that a [`Dispatcher`](super::dispatch::Dispatcher) answers.
//!
//! A method exists for a caller if its revision has it and the server declares its capability.
//! Not here: `initialize`, `logging/setLevel` and `resources/(un)subscribe` (the legacy session's), and
//! `subscriptions/listen` (a stream).

use super::catalog::Capabilities;
use super::error::{Error, ErrorKind};
use super::revision::Rules;
use super::subscription::LISTEN;

/// A method with an answer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Discover,
    Ping,
    ListTools,
    CallTool,
    ListResources,
    ListTemplates,
    ReadResource,
    ListPrompts,
    GetPrompt,
    Complete,
    GetTask,
    UpdateTask,
    CancelTask,
}

struct Row {
    name: &'static str,
    method: Method,
    in_revision: fn(&Rules) -> bool,
    declared: fn(&Capabilities) -> bool,
}

const fn row(name: &'static str, method: Method, declared: fn(&Capabilities) -> bool) -> Row {
    Row { name, method, in_revision: |_| true, declared }
}

static TABLE: [Row; 13] = [
    Row { in_revision: |rules| rules.listen, ..row("server/discover", Method::Discover, |_| true) },
    Row { in_revision: |rules| rules.session_utilities, ..row("ping", Method::Ping, |_| true) },
    row("tools/list", Method::ListTools, |has| has.tools),
    row("tools/call", Method::CallTool, |has| has.tools),
    row("resources/list", Method::ListResources, |has| has.resources),
    row("resources/templates/list", Method::ListTemplates, |has| has.resources),
    row("resources/read", Method::ReadResource, |has| has.resources),
    row("prompts/list", Method::ListPrompts, |has| has.prompts),
    row("prompts/get", Method::GetPrompt, |has| has.prompts),
    row("completion/complete", Method::Complete, |has| has.completions),
    Row { in_revision: |rules| rules.tasks, ..row("tasks/get", Method::GetTask, |has| has.tasks) },
    Row { in_revision: |rules| rules.tasks, ..row("tasks/update", Method::UpdateTask, |has| has.tasks) },
    Row { in_revision: |rules| rules.tasks, ..row("tasks/cancel", Method::CancelTask, |has| has.tasks) },
];

impl Method {
    /// The method of that name, if the caller has it.
    pub(super) fn find(name: &str, rules: &Rules, has: &Capabilities) -> Result<Self, Error> {
        TABLE
            .iter()
            .find(|row| row.name == name && (row.in_revision)(rules) && (row.declared)(has))
            .map(|row| row.method)
            .ok_or_else(|| not_found(name, rules, has))
    }
}

/// The names of all of them.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.name).chain([LISTEN])
}

/// Says which methods there are.
pub(super) fn not_found(name: &str, rules: &Rules, has: &Capabilities) -> Error {
    let known: Vec<&str> = TABLE
        .iter()
        .filter(|row| (row.in_revision)(rules) && (row.declared)(has))
        .map(|row| row.name)
        .chain(rules.listen.then_some(LISTEN))
        .chain((!rules.listen && has.resources_subscribe).then_some("resources/subscribe"))
        .chain((!rules.listen && has.logging).then_some("logging/setLevel"))
        .collect();
    let (name, known, revision) = (shortened(name), known.join(", "), rules.name);
    let message = format!("no method `{name}` here in MCP {revision}; there are: {known}");
    Error::new(ErrorKind::MethodNotFound, message)
}

/// A name from outside, fit to be quoted in a message.
pub(super) fn shortened(name: &str) -> String {
    let mut characters = name.chars();
    let mut short: String = characters.by_ref().take(QUOTED).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

const QUOTED: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::revision::Revision;

    const ALL: Capabilities = Capabilities {
        tools: true,
        tools_list_changed: true,
        resources: true,
        resources_list_changed: true,
        resources_subscribe: true,
        prompts: true,
        prompts_list_changed: true,
        completions: true,
        logging: true,
        tasks: true,
    };

    #[test]
    fn an_era_has_no_methods_of_the_other() {
        let modern = Revision::MODERN.rules();
        for name in ["ping", "initialize", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"]
        {
            let error = Method::find(name, modern, &ALL).expect_err(name);
            assert_eq!(error.kind(), ErrorKind::MethodNotFound);
        }
        assert!(Method::find("server/discover", modern, &ALL).is_ok());
        for rules in Rules::legacy() {
            assert_eq!(Method::find("ping", rules, &ALL), Ok(Method::Ping));
            assert!(Method::find("server/discover", rules, &ALL).is_err());
        }
    }

    #[test]
    fn a_method_of_an_undeclared_capability_does_not_exist() {
        let none = Capabilities::default();
        for row in &TABLE {
            let found = Method::find(row.name, Revision::NEWEST_LEGACY.rules(), &none);
            assert_eq!(found.is_ok(), row.method == Method::Ping, "{}", row.name);
        }
    }

    #[test]
    fn the_error_names_what_there_is_and_quotes_little() {
        let error = Method::find(&"x".repeat(100_000), Revision::MODERN.rules(), &ALL).unwrap_err();
        assert!(error.message().contains("tools/call"));
        assert!(error.message().len() < 600);
    }
}
