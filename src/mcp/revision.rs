//! THE table: what each revision of the protocol has. Code asks a capability of [`Rules`], never
//! compares versions.
//!
//! Sources: the changelog page of each revision, `schema/<revision>/schema.ts`.

use std::fmt;

/// A revision of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// 2024-11-05.
    V2024_11_05,
    /// 2025-03-26.
    V2025_03_26,
    /// 2025-06-18.
    V2025_06_18,
    /// 2025-11-25.
    V2025_11_25,
    /// 2026-07-28.
    V2026_07_28,
}

/// What a revision has and how it says it.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// Which revision this is.
    pub revision: Revision,
    /// As written on the wire.
    pub name: &'static str,
    /// Opens with `initialize` and has sessions; else each request carries `_meta`.
    pub handshake: bool,
    /// Arrays of messages are allowed.
    pub batches: bool,
    /// `MCP-Protocol-Version` is sent on every request after the handshake.
    pub version_header: bool,
    /// `annotations` on tools; `message` on progress; audio content.
    pub annotations: bool,
    /// The `completions` capability is declared.
    pub completions_capability: bool,
    /// `outputSchema` and `structuredContent`; `title`; `_meta` on definitions; `resource_link` content.
    pub structured: bool,
    /// `structuredContent` and `outputSchema` may be of any JSON type; else objects alone.
    pub structured_of_any_type: bool,
    /// `icons`, and `description`/`websiteUrl` of an implementation.
    pub icons: bool,
    /// Arguments that do not fit a tool's schema are an `isError` result, not -32602.
    pub argument_errors_as_results: bool,
    /// Results carry `resultType` and `_meta…/serverInfo`; lists and reads `ttlMs` and `cacheScope`.
    pub result_type: bool,
    /// Changes are delivered on `subscriptions/listen`; else `resources/subscribe` and the session's stream.
    pub listen: bool,
    /// `ping`, `logging/setLevel`.
    pub session_utilities: bool,
    /// An error about a message whose id could not be read has no id; else JSON-RPC's null.
    pub nameless_errors: bool,
    /// A handler's request for input is a request to the client while the call is open; else the call ends with
    /// `input_required` and comes again with the answers.
    pub asks_during_calls: bool,
    /// `elicitation/create`.
    pub elicitation: bool,
    /// Elicitation by a URL.
    pub elicitation_by_url: bool,
    /// Elicitation by a URL has an `elicitationId`.
    pub elicitation_id: bool,
    /// A stream begins with an event of an id, empty data and `retry`, and may be closed to be polled.
    pub priming: bool,
    /// The tasks extension.
    pub tasks: bool,
    /// The code of "resource not found".
    pub resource_not_found: i32,
}

static TABLE: [Rules; 5] = [
    Rules {
        revision: Revision::V2024_11_05,
        name: "2024-11-05",
        handshake: true,
        batches: false,
        version_header: false,
        annotations: false,
        completions_capability: false,
        structured: false,
        structured_of_any_type: false,
        icons: false,
        argument_errors_as_results: false,
        result_type: false,
        listen: false,
        session_utilities: true,
        nameless_errors: false,
        asks_during_calls: true,
        elicitation: false,
        elicitation_by_url: false,
        elicitation_id: false,
        priming: false,
        tasks: false,
        resource_not_found: -32002,
    },
    Rules {
        revision: Revision::V2025_03_26,
        name: "2025-03-26",
        handshake: true,
        batches: true,
        version_header: false,
        annotations: true,
        completions_capability: true,
        structured: false,
        structured_of_any_type: false,
        icons: false,
        argument_errors_as_results: false,
        result_type: false,
        listen: false,
        session_utilities: true,
        nameless_errors: false,
        asks_during_calls: true,
        elicitation: false,
        elicitation_by_url: false,
        elicitation_id: false,
        priming: false,
        tasks: false,
        resource_not_found: -32002,
    },
    Rules {
        revision: Revision::V2025_06_18,
        name: "2025-06-18",
        handshake: true,
        batches: false,
        version_header: true,
        annotations: true,
        completions_capability: true,
        structured: true,
        structured_of_any_type: false,
        icons: false,
        argument_errors_as_results: false,
        result_type: false,
        listen: false,
        session_utilities: true,
        nameless_errors: false,
        asks_during_calls: true,
        elicitation: true,
        elicitation_by_url: false,
        elicitation_id: false,
        priming: false,
        tasks: false,
        resource_not_found: -32002,
    },
    Rules {
        revision: Revision::V2025_11_25,
        name: "2025-11-25",
        handshake: true,
        batches: false,
        version_header: true,
        annotations: true,
        completions_capability: true,
        structured: true,
        structured_of_any_type: false,
        icons: true,
        argument_errors_as_results: true,
        result_type: false,
        listen: false,
        session_utilities: true,
        nameless_errors: true,
        asks_during_calls: true,
        elicitation: true,
        elicitation_by_url: true,
        elicitation_id: true,
        priming: true,
        tasks: false,
        resource_not_found: -32002,
    },
    Rules {
        revision: Revision::V2026_07_28,
        name: "2026-07-28",
        handshake: false,
        batches: false,
        version_header: true,
        annotations: true,
        completions_capability: true,
        structured: true,
        structured_of_any_type: true,
        icons: true,
        argument_errors_as_results: true,
        result_type: true,
        listen: true,
        session_utilities: false,
        nameless_errors: true,
        asks_during_calls: false,
        elicitation: true,
        elicitation_by_url: true,
        elicitation_id: false,
        priming: false,
        tasks: true,
        resource_not_found: -32602,
    },
];

impl Rules {
    /// The lines of every revision that opens with `initialize`, oldest first.
    pub fn legacy() -> impl Iterator<Item = &'static Self> {
        TABLE.iter().filter(|rules| rules.handshake)
    }
}

impl Revision {
    /// The newest revision that opens with `initialize`: the answer to an unknown offer.
    pub const NEWEST_LEGACY: Self = Self::V2025_11_25;
    /// What a request without a session and without a version header speaks.
    pub const HEADERLESS: Self = Self::V2025_03_26;
    /// What a client of HTTP+SSE speaks that names no version: the revision that has this transport.
    pub const HTTP_SSE: Self = Self::V2024_11_05;
    /// The revision served without a handshake.
    pub const MODERN: Self = Self::V2026_07_28;

    /// The revision of that name, exactly as written.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        TABLE.iter().find(|rules| rules.name == name).map(|rules| rules.revision)
    }

    /// Its line of the table.
    #[must_use]
    pub fn rules(self) -> &'static Rules {
        let [v0, v1, v2, v3, v4] = &TABLE;
        match self {
            Self::V2024_11_05 => v0,
            Self::V2025_03_26 => v1,
            Self::V2025_06_18 => v2,
            Self::V2025_11_25 => v3,
            Self::V2026_07_28 => v4,
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.rules().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_revision_is_found_by_its_name_and_stands_in_its_own_line() {
        for rules in &TABLE {
            assert_eq!(Revision::parse(rules.name), Some(rules.revision));
            assert_eq!(rules.revision.rules(), rules);
        }
        assert_eq!(Revision::parse("2026-07-29"), None);
    }
}
