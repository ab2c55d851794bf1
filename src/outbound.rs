//! The HTTP client for sources: reqwest over rustls with ring, roots of our own.
