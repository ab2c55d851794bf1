//! What several test files share: a server in this process, a raw HTTP client.
