//! The resources of an ACME server (RFC 8555 §7.1), told from the path of a request.

/// What a request to an ACME server is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Resource {
    Directory,
    NewNonce,
    NewAccount,
    Account,
    NewOrder,
    Order,
    Authorization,
    Challenge,
    Finalize,
    Certificate,
    KeyChange,
    Revocation,
    RenewalInfo,
    Other,
}

/// Paths of Pebble 2.4.0 (an entry that ends in `/` takes an id), then those that differ in acme2certifier.
const PATHS: &[(&str, Resource)] = &[
    ("/dir", Resource::Directory),
    ("/nonce-plz", Resource::NewNonce),
    ("/sign-me-up", Resource::NewAccount),
    ("/my-account/", Resource::Account),
    ("/order-plz", Resource::NewOrder),
    ("/my-order/", Resource::Order),
    ("/authZ/", Resource::Authorization),
    ("/chalZ/", Resource::Challenge),
    ("/finalize-order/", Resource::Finalize),
    ("/certZ/", Resource::Certificate),
    ("/rollover-account-key", Resource::KeyChange),
    ("/revoke-cert", Resource::Revocation),
    // Pebble 2.4.0 has none: the proxy's, see `Proxy::offer_renewal_info`.
    ("/renewal-info/", Resource::RenewalInfo),
    ("/directory", Resource::Directory),
    ("/acme/newnonce", Resource::NewNonce),
    ("/acme/newaccount", Resource::NewAccount),
    ("/acme/acct/", Resource::Account),
    ("/acme/neworders", Resource::NewOrder),
    ("/acme/authz/", Resource::Authorization),
    ("/acme/chall/", Resource::Challenge),
    ("/acme/cert/", Resource::Certificate),
    ("/acme/key-change", Resource::KeyChange),
    ("/acme/revokecert", Resource::Revocation),
    ("/acme/renewal-info/", Resource::RenewalInfo),
];

impl Resource {
    /// What `path` (without a query) names.
    pub(crate) fn of(path: &str) -> Self {
        if let Some(rest) = path.strip_prefix("/acme/order/") {
            // acme2certifier: /acme/order/ID/finalize.
            return if rest.ends_with("/finalize") { Self::Finalize } else { Self::Order };
        }
        let is_it = |known: &str| if known.ends_with('/') { path.starts_with(known) } else { path == known };
        PATHS.iter().find(|(known, _)| is_it(known)).map_or(Self::Other, |(_, resource)| *resource)
    }
}
