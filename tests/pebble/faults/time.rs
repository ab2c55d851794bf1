//! A CA that never comes to an end: the ACME client alone, with less patience than docquay has.

use std::error::Error as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use docquay::acme::{
    Account, AccountKey, AnyOrder, CertificateKey, ChallengeKind, Client, Error, ErrorKind, HttpTransport,
    Limits, NewAccount, NewOrder, Terms, transport,
};
use docquay::clock::SystemClock;
use docquay::names::Identifier;
use serde_json::json;

use crate::harness::{Pebble, Proxy, Reply, Resource};

/// Issues one certificate, as patiently as `limits` say; nobody looks at what is shown.
async fn issue(proxy: &Proxy, limits: Limits) -> Result<(), Error> {
    let mut options = transport::Options::default();
    options.ca_pem = Some(proxy.authority().pem().as_bytes().to_vec());
    let transport = Arc::new(HttpTransport::new(&options).unwrap());
    let client = Client::connect(&proxy.directory_url(), transport, Arc::new(SystemClock), limits).await?;
    let mut new = NewAccount::default();
    new.terms = Terms::Agreed;
    let account = Account::create(&client, AccountKey::generate().unwrap(), &new).await?;
    let name = Identifier::Ip(Ipv4Addr::LOCALHOST.into());
    let AnyOrder::Pending(order) = account.new_order(&NewOrder::of([name])).await?.order else {
        panic!("an order that is not pending")
    };
    for authorization in order.authorizations().await? {
        authorization.validate(ChallengeKind::Http01).await?;
    }
    let key = CertificateKey::generate().unwrap();
    let order = order.into_ready().await?.finalize(&key).await?.into_valid().await?;
    order.certificate(&key, None).await.map(drop)
}

fn hurried() -> Limits {
    let mut limits = Limits::default();
    (limits.request, limits.slow_request) = (Duration::from_secs(4), Duration::from_secs(4));
    (limits.validation, limits.order) = (Duration::from_secs(3), Duration::from_secs(3));
    limits
}

type Fault = fn(&Proxy);

async fn careless_pebble() -> Pebble {
    Pebble::builder().env("PEBBLE_VA_ALWAYS_VALID", "1").start().await
}

#[tokio::test]
async fn what_never_changes_is_waited_for_as_long_as_the_limit_says() {
    let pebble = careless_pebble().await;
    let spoil: [(&str, Fault); 4] = [
        ("validation", |proxy| {
            proxy.on(Resource::Authorization).edits_json(|one| {
                one["status"] = "pending".into();
                one["challenges"][0]["status"] = "processing".into();
            });
        }),
        ("validation", |proxy| {
            proxy.on(Resource::Authorization).edits(|answer| {
                let mut one = answer.json();
                one["status"] = "pending".into();
                answer.body = one.to_string().into();
                answer.headers.insert("retry-after", "31536000".parse().unwrap());
            });
        }),
        ("order", |proxy| {
            proxy.on(Resource::Order).edits_json(|order| order["status"] = "pending".into());
        }),
        ("order", |proxy| {
            proxy.on(Resource::Order).from(2).edits_json(|order| order["status"] = "processing".into());
        }),
    ];
    for (during, fault) in spoil {
        let proxy = Proxy::before(&pebble).await;
        fault(&proxy);

        let error = issue(&proxy, hurried()).await.unwrap_err();

        assert_eq!(error.kind(), &ErrorKind::TimedOut(Duration::from_secs(3)), "{error}");
        assert_eq!(error.during(), Some(during), "{error}");
        assert!(proxy.requests().len() < 25, "{} requests", proxy.requests().len());
    }
}

#[tokio::test]
async fn a_limit_that_is_over_tells_why_the_last_look_failed() {
    let pebble = careless_pebble().await;
    let proxy = Proxy::before(&pebble).await;
    let why = json!({"detail": "the database is being moved"}).to_string();
    proxy.on(Resource::Order).answers(Reply::new(500).body(&why));

    let error = issue(&proxy, hurried()).await.unwrap_err();

    let source = error.source().unwrap();
    assert_eq!(source.to_string(), "the CA answered 500 Internal Server Error");
    assert_eq!(source.source().unwrap().to_string(), "the database is being moved");
}

#[tokio::test]
async fn a_ca_that_does_not_answer_is_left() {
    let pebble = careless_pebble().await;
    // Each with a proxy of its own, side by side.
    let hang = async |resource: Resource| {
        let proxy = Proxy::before(&pebble).await;
        proxy.on(resource).delays_the_answer(Duration::from_secs(600));
        let mut limits = hurried();
        (limits.request, limits.slow_request) = (Duration::from_secs(2), Duration::from_secs(2));
        let error = issue(&proxy, limits).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TimedOut(_)), "{resource:?}: {error}");
        assert!(proxy.requests().len() < 25, "{} requests", proxy.requests().len());
    };
    tokio::join!(
        hang(Resource::Directory),
        hang(Resource::NewNonce),
        hang(Resource::NewAccount),
        hang(Resource::NewOrder),
        hang(Resource::Authorization),
        hang(Resource::Order),
        hang(Resource::Certificate),
    );
}
