//! The legacy sessions of the HTTP transports: ids, the cap, the idle limit.
