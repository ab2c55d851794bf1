//! The docs server's catalog: `search`, `fetch`, `outline`, and every page as a resource.
