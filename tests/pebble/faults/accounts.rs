//! Accounts that the CA does not know any more, or has closed.

use std::sync::Arc;

use docquay::acme::{Account, AccountKey, Client, HttpTransport, Limits, transport};
use docquay::clock::SystemClock;
use docquay::store::{self, AccountEntry};

use super::trial::{self, Place, Range};
use crate::harness::{Pebble, Proxy, Reply, Resource};

async fn account(place: &Place<'_>, proxy: &Proxy) -> AccountEntry {
    let loaded = store::peek_account(&place.store().await, &proxy.directory_url()).await.unwrap();
    loaded.entry.unwrap()
}

/// A CA of the same name at the same place, which knows nobody.
async fn leads_to_another(proxy: &Proxy, range: &Range) -> Pebble {
    let other = range.another_pebble().await;
    proxy.leads_to(&other);
    other
}

#[tokio::test]
async fn a_ca_that_has_forgotten_all_gets_the_same_key_again() {
    let range = Range::new().await;
    let (place, proxy) = (range.place(), Proxy::before(range.pebble()).await);
    let docquay = place.docquay(&proxy).start();
    trial::outcome(&docquay, 0).await;
    let before = account(&place, &proxy).await;
    docquay.kill();
    let other = leads_to_another(&proxy, &range).await;
    place.change_record(|record| record.renew_requested = true).await;

    let docquay = place.docquay(&proxy).start();

    let outcome = trial::outcome(&docquay, 0).await;
    assert_eq!(outcome["message"], "certificate obtained", "{outcome:#}");
    trial::serves_by(&place.https(&other.root_pem().await)).await;
    let after = account(&place, &proxy).await;
    assert_eq!(before.key_pem, after.key_pem);
    assert_ne!(before.url, after.url);
    assert_eq!((other.count(Resource::NewAccount), other.issued().len()), (1, 1));
    assert!(docquay.log().contains("the CA has forgotten the account; registering its key again"));
}

#[tokio::test]
async fn an_open_order_of_a_ca_that_has_forgotten_it_is_left() {
    let range = Range::new().await;
    let (place, proxy) = (range.place(), Proxy::before(range.pebble()).await);
    proxy.on(Resource::Finalize).drops_the_request();
    let docquay = place.docquay(&proxy).start();
    let outcome = trial::outcome(&docquay, 0).await;
    assert_eq!(outcome["kind"], "network", "{outcome:#}");
    docquay.kill();
    proxy.clear_rules();
    let other = leads_to_another(&proxy, &range).await;
    place.change_record(|record| record.attempts.next_at = None).await;
    assert!(place.entry().await.record.order.is_some(), "a network that is away leaves the order open");

    let docquay = place.docquay(&proxy).start();

    let outcome = trial::outcome(&docquay, 0).await;
    assert_eq!(outcome["message"], "certificate obtained", "{outcome:#}");
    trial::serves_by(&place.https(&other.root_pem().await)).await;
}

#[tokio::test]
async fn a_closed_account_is_told_with_the_file_to_move_and_the_certificate_stays() {
    let range = Range::new().await;
    let (place, proxy) = (range.place(), Proxy::before(range.pebble()).await);
    let docquay = place.docquay(&proxy).start();
    trial::outcome(&docquay, 0).await;
    docquay.kill();
    deactivate(&account(&place, &proxy).await, &proxy).await;
    place.change_record(|record| record.renew_requested = true).await;

    let docquay = place.docquay(&proxy).start();

    let outcome = trial::outcome(&docquay, 0).await;
    assert_eq!(outcome["kind"], "account", "{outcome:#}");
    assert!(outcome["cause"].as_str().unwrap().contains("deactivated"), "{outcome:#}");
    trial::serves_by(&place.https(&range.pebble().root_pem().await)).await;

    // As the help says.
    docquay.kill();
    let help = outcome["help"].as_str().unwrap();
    let file = help.split_whitespace().find(|word| word.starts_with(".docquay/")).unwrap();
    std::fs::rename(place.certs.path().join(file), place.certs.path().join("moved")).unwrap();
    place.change_record(|record| record.attempts.next_at = None).await;
    let docquay = place.docquay(&proxy).start();
    let outcome = trial::outcome(&docquay, 0).await;
    assert_eq!(outcome["message"], "certificate obtained", "{outcome:#}");
}

async fn deactivate(entry: &AccountEntry, proxy: &Proxy) {
    let mut options = transport::Options::default();
    options.ca_pem = Some(proxy.authority().pem().as_bytes().to_vec());
    let transport = Arc::new(HttpTransport::new(&options).unwrap());
    let client =
        Client::connect(&entry.directory, transport, Arc::new(SystemClock), Limits::default()).await.unwrap();
    let key = AccountKey::from_pem(entry.key_pem.bytes()).unwrap();
    Account::stored(&client, key, entry.url.clone().unwrap()).deactivate().await.unwrap();
}

#[tokio::test]
async fn an_account_that_the_ca_never_knows_is_registered_once_an_attempt() {
    let range = Range::new().await;
    let (place, proxy) = (range.place(), Proxy::before(range.pebble()).await);
    proxy.on(Resource::NewOrder).answers(Reply::problem(400, "accountDoesNotExist", "who are you"));

    let docquay = place.docquay(&proxy).start();

    let outcome = trial::outcome(&docquay, 0).await;
    assert!(outcome["cause"].as_str().unwrap().contains("who are you"), "{outcome:#}");
    assert_eq!((proxy.count(Resource::NewAccount), proxy.count(Resource::NewOrder)), (2, 2));
}
