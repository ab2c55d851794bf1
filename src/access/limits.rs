//! How often one client may ask.

/// The limits of requests by client address. An IPv6 client is its /64; a client on this machine is exempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Requests a minute from one address, in the long run; 0: any number. Default 600.
    pub requests_per_minute: u32,
    /// Requests at once from an address that has been silent. Default 200.
    pub burst: u32,
    /// Wrong tokens a minute from one address; after that many none of its tokens is looked at; 0: any number.
    /// Default 30.
    pub failures_per_minute: u32,
    /// Addresses remembered; of more, the longest silent are forgotten. Default 65,536, about 5 MiB.
    pub addresses: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests_per_minute: 600, burst: 200, failures_per_minute: 30, addresses: 65_536 }
    }
}
