//! A CA that does not do as it should, and the way to it: docquay in front of real Pebble, with a proxy between that
//! spoils one thing.
//!
//! Every case ends in a certificate, or in one clear line with the CA's own words, a next attempt and a record of it;
//! none in a panic, a hang, a flood of requests, or the loss of a certificate that is there.

mod accounts;
mod cases;
mod chains;
mod time;
mod trial;
mod words;

use docquay::x509::Chain;

use crate::harness::{Proxy, Reply, Resource};
use chains::Root;
use trial::{IssuerKey, Range, Start};

macro_rules! each_start {
    ($name:ident, $cases:expr) => {
        mod $name {
            use super::*;

            #[tokio::test]
            async fn at_a_first_start() {
                Range::new().await.run(Start::Empty, $cases).await;
            }

            #[tokio::test]
            async fn while_a_certificate_is_served() {
                Range::new().await.run(Start::Due, $cases).await;
            }
        }
    };
}

each_start!(a_busy_ca, cases::busy());
each_start!(a_lost_connection, cases::lost());
each_start!(a_garbled_answer, cases::garbled());
each_start!(a_refusal, cases::refusals::refused());
each_start!(a_nonce_storm, cases::refusals::nonces());
each_start!(a_strange_order, cases::orders::orders());
each_start!(a_slow_ca, cases::slow());

async fn long_chains() -> Range {
    let mut range = Range::with(|pebble| pebble.chain_length(2)).await;
    let issuer = range.pebble().intermediate_pem(0).await;
    range.also_trust(issuer);
    range
}

mod a_wrong_certificate {
    use super::*;

    #[tokio::test]
    async fn at_a_first_start() {
        long_chains().await.run(Start::Empty, cases::certificates::certificates()).await;
    }

    #[tokio::test]
    async fn while_a_certificate_is_served() {
        long_chains().await.run(Start::Due, cases::certificates::certificates()).await;
    }
}

#[tokio::test]
async fn links_to_alternate_chains_are_found_in_every_form() {
    let mut range = Range::with(|pebble| pebble.alternate_roots(1)).await;
    let alternate = range.pebble().alternate_root_pem(1).await;
    let root = Chain::from_pem(alternate.as_bytes()).unwrap().leaf().issuer_name().unwrap().to_owned();
    range.also_trust(alternate);
    range.run(Start::Empty, cases::certificates::links(&root)).await;
}

#[tokio::test]
async fn a_certificate_that_names_no_issuer_is_kept_without_going_round_in_circles() {
    let range = Range::new().await;
    let (place, root) = (range.place(), Root::new("the old CA"));
    let proxy = Proxy::before(range.pebble()).await;
    proxy.on(Resource::NewOrder).answers(Reply::new(500));
    place.leave_due(&root, &proxy.directory_url(), IssuerKey::Unnamed).await;

    let docquay = place.docquay(&proxy).start();

    trial::outcome(&docquay, 0).await;
    trial::comes_to_rest(&docquay).await;
    trial::serves_by(&place.https(root.pem())).await;
}
