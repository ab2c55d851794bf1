//! The ACME client by itself, against Pebble in its strict mode.

mod over_https;
mod site;

use std::time::{Duration, SystemTime};

use docquay::acme::{
    Account, AccountKey, AnyOrder, AuthorizationStatus, CertificateId, CertificateKey, ChallengeKind,
    ErrorKind, ExternalAccount, NewAccount, ProblemKind, Reason, Replaces,
};
use docquay::x509::{Chain, Pair};

use self::site::{Site, account, agreed, client, client_at, names, order_of};
use crate::harness::proxy::RenewalInfo;
use crate::harness::{Pebble, Proxy, Reply, Resource};

#[tokio::test]
async fn an_account_is_made_once_and_found_by_its_key() {
    let pebble = Pebble::builder().start().await;
    let client = client(&pebble).await;
    let key = AccountKey::generate().unwrap();

    let unknown = Account::find(&client, key.clone()).await.unwrap_err();
    let made = Account::create(&client, key.clone(), &agreed()).await.unwrap();
    let again = Account::create(&client, key.clone(), &agreed()).await.unwrap();
    let found = Account::find(&client, key.clone()).await.unwrap();
    let stored = Account::stored(&client, key, made.url().to_owned());

    assert_eq!(unknown.problem_kind(), Some(ProblemKind::AccountDoesNotExist));
    assert!(made.was_created() && !again.was_created() && !found.was_created());
    assert_eq!([again.url(), found.url()], [made.url(); 2]);
    stored.new_order(&order_of(&["a.example"])).await.unwrap();
}

#[tokio::test]
async fn without_a_word_on_the_terms_there_is_no_account() {
    let pebble = Pebble::builder().start().await;
    let client = client(&pebble).await;
    let key = AccountKey::generate().unwrap();

    let refused = Account::create(&client, key, &NewAccount::default()).await.unwrap_err();

    assert!(client.directory().meta.terms_of_service.is_some());
    assert!(matches!(refused.kind(), ErrorKind::Server(_)), "{refused}");
    assert!(refused.problem().unwrap().detail.as_ref().unwrap().contains("terms"), "{:?}", refused.problem());
}

#[tokio::test]
async fn a_customers_key_binds_the_account() {
    let mac = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let pebble = Pebble::builder().eab_key("kid-1", mac).start().await;
    let client = client(&pebble).await;
    let create = async |external: Option<(&str, &str)>| {
        let mut new = agreed();
        new.external = external.map(|(kid, mac)| ExternalAccount::new(kid, mac).unwrap());
        Account::create(&client, AccountKey::generate().unwrap(), &new).await
    };

    assert_eq!(create(None).await.unwrap_err().kind(), &ErrorKind::ExternalAccountRequired);
    assert!(create(Some(("kid-2", mac))).await.unwrap_err().problem().is_some());
    assert!(create(Some(("kid-1", "AAAA"))).await.unwrap_err().problem().is_some());
    assert!(create(Some(("kid-1", mac))).await.unwrap().was_created());
}

#[tokio::test]
async fn an_account_changes_its_key_and_is_closed() {
    let pebble = Pebble::builder().start().await;
    let client = client(&pebble).await;
    let (old, new) = (AccountKey::generate().unwrap(), AccountKey::generate().unwrap());
    let account = Account::create(&client, old.clone(), &agreed()).await.unwrap();

    let changed = account.change_key(new.clone()).await.unwrap();

    assert_eq!((changed.url(), changed.key().thumbprint()), (account.url(), new.thumbprint()));
    changed.new_order(&order_of(&["a.example"])).await.unwrap();
    assert!(account.new_order(&order_of(&["a.example"])).await.is_err(), "the old key is no more");
    assert_eq!(Account::find(&client, new).await.unwrap().url(), account.url());
    changed.deactivate().await.unwrap();
    assert!(changed.new_order(&order_of(&["b.example"])).await.is_err());
}

#[tokio::test]
async fn an_account_that_the_ca_forgot_is_made_again_with_its_key() {
    let pebble = Pebble::builder().start().await;
    let client = client(&pebble).await;
    let key = AccountKey::generate().unwrap();
    let elsewhere = pebble.directory_url().replace("/dir", "/my-account/forgotten");

    let stale = Account::stored(&client, key.clone(), elsewhere);
    let refused = stale.new_order(&order_of(&["a.example"])).await.unwrap_err();

    assert_eq!(refused.problem_kind(), Some(ProblemKind::AccountDoesNotExist));
    let made = Account::create(&client, key, &agreed()).await.unwrap();
    made.new_order(&order_of(&["a.example"])).await.unwrap();
}

#[tokio::test]
async fn a_certificate_for_names_and_an_address() {
    let site = Site::start().await;
    let pebble = Pebble::builder().http_port(site.port).start().await;
    let account = account(&client(&pebble).await).await;
    let asked = ["docs.example.com", "127.0.0.1", "www.example.com", "docs.example.com"];

    let pair = site.obtain(&account, &asked).await;

    assert!(pair.chain().check(&names(&asked), SystemTime::now()).is_ok());
    let root = Chain::from_pem(pebble.root_pem().await.as_bytes()).unwrap();
    assert!(pair.chain().issuers().last().unwrap().is_signed_by(root.leaf()));
    assert!(Pair::from_pem(pair.chain().to_pem().as_bytes(), pair.key_to_pem().as_bytes()).is_ok());
}

#[tokio::test]
async fn an_order_takes_as_few_requests_as_the_protocol_has() {
    let site = Site::start().await;
    let pebble = Pebble::builder().http_port(site.port).start().await;
    let proxy = Proxy::before(&pebble).await;

    let client = client_at(&proxy.directory_url(), proxy.authority()).await;
    site.obtain(&account(&client).await, &["a.example"]).await;

    for (resource, most) in [
        (Resource::Directory, 1),
        (Resource::NewNonce, 1),
        (Resource::NewAccount, 1),
        (Resource::NewOrder, 1),
        (Resource::Challenge, 1),
        (Resource::Finalize, 1),
        (Resource::Certificate, 1),
    ] {
        assert_eq!(proxy.count(resource), most, "{resource:?}");
    }
    let agent = proxy.requests()[0].headers["user-agent"].to_str().unwrap().to_owned();
    assert!(agent.starts_with("docquay/"), "{agent}");
    for request in proxy.requests().iter().filter(|request| request.method == "POST") {
        assert_eq!(request.headers["content-type"], "application/jose+json");
        let url = request.protected["url"].as_str().unwrap();
        assert_eq!(url, format!("{}{}", proxy.base_url(), request.path));
        let by_key = request.resource == Resource::NewAccount;
        assert_eq!(request.protected.get("jwk").is_some(), by_key, "{request}");
        assert_eq!(request.protected.get("kid").is_some(), !by_key, "{request}");
    }
}

#[tokio::test]
async fn a_ca_that_rejects_half_of_the_nonces_issues() {
    let site = Site::start().await;
    let pebble = Pebble::builder().http_port(site.port).nonce_reject_percent(50).start().await;
    let account = account(&client(&pebble).await).await;

    for name in ["a.example", "b.example", "c.example", "d.example"] {
        site.obtain(&account, &[name]).await;
    }

    assert_eq!(pebble.issued().len(), 4);
}

#[tokio::test]
async fn authorizations_of_earlier_orders_serve_again() {
    for (percent, second) in [(0, 2), (100, 0)] {
        let site = Site::start().await;
        let pebble = Pebble::builder().http_port(site.port).authz_reuse_percent(percent).start().await;
        let account = account(&client(&pebble).await).await;

        site.obtain(&account, &["a.example", "b.example"]).await;
        let first = pebble.validations();
        site.obtain(&account, &["a.example", "b.example"]).await;

        assert_eq!((first, pebble.validations()), (2, 2 + second), "{percent} %");
    }
}

#[tokio::test]
async fn a_chain_is_chosen_by_its_roots_name() {
    let site = Site::start().await;
    let pebble = Pebble::builder().http_port(site.port).chain_length(3).alternate_roots(2).start().await;
    let account = account(&client(&pebble).await).await;
    let key = CertificateKey::generate().unwrap();
    let valid =
        site.ready(&account, &["a.example"]).await.finalize(&key).await.unwrap().into_valid().await.unwrap();
    let mut roots = Vec::new();
    for number in 0..3 {
        let root = Chain::from_pem(pebble.alternate_root_pem(number).await.as_bytes()).unwrap();
        roots.push(root.leaf().issuer_name().unwrap().to_owned());
    }

    for (wanted, got) in [(None, 0), (Some(0), 0), (Some(1), 1), (Some(2), 2)] {
        let preferred = wanted.map(|number: usize| roots[number].as_str());
        let pair = valid.certificate(&key, preferred).await.unwrap();
        let top = pair.chain().issuers().last().unwrap();
        assert_eq!((pair.chain().issuers().len(), top.issuer_name()), (3, Some(roots[got].as_str())));
    }
    let pair = valid.certificate(&key, Some("No Such Root")).await.unwrap();
    assert_eq!(pair.chain().issuers().last().unwrap().issuer_name(), Some(roots[0].as_str()));
}

#[tokio::test]
async fn a_certificate_is_revoked_by_its_account_or_by_its_key() {
    let site = Site::start().await;
    let pebble = Pebble::builder().http_port(site.port).start().await;
    let client = client(&pebble).await;
    let account = account(&client).await;
    let (one, other) =
        (site.obtain(&account, &["a.example"]).await, site.obtain(&account, &["b.example"]).await);
    let key = CertificateKey::from_pem(other.key_to_pem().as_bytes()).unwrap();

    for _ in 0..2 {
        account.revoke(one.leaf(), Reason::Superseded).await.unwrap();
        client.revoke(other.leaf(), &key, Reason::KeyCompromise).await.unwrap();
    }

    for (serial, reason) in pebble.issued().iter().zip([4, 1]) {
        let status = pebble.status_of(serial).await;
        assert_eq!((status["Status"].as_str(), status["Reason"].as_u64()), (Some("Revoked"), Some(reason)));
    }
    let third = site.obtain(&account, &["c.example"]).await;
    let refused = client.revoke(third.leaf(), &key, Reason::Unspecified).await.unwrap_err();
    assert!(refused.problem().is_some(), "{refused}: by a stranger's key");
}

#[tokio::test]
async fn an_order_is_taken_up_by_its_url_in_every_state() {
    let site = Site::start().await;
    let pebble = Pebble::builder().http_port(site.port).start().await;
    let account = account(&client(&pebble).await).await;
    let key = CertificateKey::generate().unwrap();
    let url = match account.new_order(&order_of(&["a.example"])).await.unwrap().order {
        AnyOrder::Pending(order) => order.url().to_owned(),
        other => panic!("{other:?}"),
    };

    let AnyOrder::Pending(pending) = account.order(&url).await.unwrap() else { panic!("not pending") };
    assert_eq!((site.answer(&pending).await, pending.identifiers()), (1, &names(&["a.example"])[..]));
    drop(pending.into_ready().await.unwrap());
    let AnyOrder::Ready(ready) = account.order(&url).await.unwrap() else { panic!("not ready") };
    drop(ready.finalize(&key).await.unwrap());
    let valid = match account.order(&url).await.unwrap() {
        AnyOrder::Processing(order) => order.into_valid().await.unwrap(),
        AnyOrder::Valid(order) => order,
        other => panic!("{other:?}"),
    };
    assert_eq!(valid.url(), url);
    valid.certificate(&key, None).await.unwrap();
    let other = valid.certificate(&CertificateKey::generate().unwrap(), None).await.unwrap_err();
    assert_eq!(other.kind(), &ErrorKind::Certificate(docquay::x509::Error::KeyMismatch));
}

#[tokio::test]
async fn a_failed_validation_tells_what_the_ca_saw_and_its_order_is_dead() {
    let site = Site::start().await;
    let pebble = Pebble::builder().http_port(site.port).start().await;
    let account = account(&client(&pebble).await).await;
    let AnyOrder::Pending(order) =
        account.new_order(&order_of(&["a.example", "b.example"])).await.unwrap().order
    else {
        panic!("not pending")
    };
    let [a, b] = &order.authorizations().await.unwrap()[..] else { panic!("two names") };
    site.publish(a.challenge(ChallengeKind::Http01).unwrap().token(), "something else");

    let failure = a.validate(ChallengeKind::Http01).await.unwrap_err();

    assert_eq!(failure.kind(), &ErrorKind::ValidationFailed(a.identifier().clone()));
    assert_eq!(failure.problem_kind(), Some(ProblemKind::Unauthorized), "{:?}", failure.problem());
    assert!(!failure.is_retryable());
    b.deactivate().await.unwrap();
    let url = order.url().to_owned();
    let dead = order.into_ready().await.unwrap_err();
    assert_eq!(dead.kind(), &ErrorKind::OrderInvalid);
    let of_a = dead.authorizations().iter().find(|(name, _)| name == a.identifier()).unwrap();
    assert_eq!(of_a.1.kind(), Some(ProblemKind::Unauthorized));
    assert_eq!(account.order(&url).await.unwrap_err().kind(), &ErrorKind::OrderInvalid);
}

#[tokio::test]
async fn authorizations_that_nobody_needs_are_given_back() {
    let pebble = Pebble::builder().start().await;
    let account = account(&client(&pebble).await).await;
    let AnyOrder::Pending(order) =
        account.new_order(&order_of(&["a.example", "b.example"])).await.unwrap().order
    else {
        panic!("not pending")
    };
    let url = order.url().to_owned();

    order.abandon().await;

    match account.order(&url).await {
        Err(error) => assert_eq!(error.kind(), &ErrorKind::OrderInvalid),
        Ok(AnyOrder::Pending(order)) => {
            for authorization in order.authorizations().await.unwrap() {
                assert_eq!(authorization.status(), AuthorizationStatus::Deactivated);
            }
        }
        Ok(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_name_that_the_ca_does_not_serve_is_refused_in_its_words() {
    let pebble = Pebble::builder().blocked("blocked.example").start().await;
    let account = account(&client(&pebble).await).await;

    let refused = account.new_order(&order_of(&["blocked.example"])).await.unwrap_err();

    assert_eq!(
        (refused.problem_kind(), refused.during()),
        (Some(ProblemKind::RejectedIdentifier), Some("newOrder"))
    );
    assert!(!refused.is_retryable());
}

#[tokio::test]
async fn renewal_information_and_the_word_replaces() {
    let site = Site::start().await;
    let pebble = Pebble::builder().http_port(site.port).start().await;
    let proxy = Proxy::before(&pebble).await;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let info = RenewalInfo { start: now, end: now + Duration::from_secs(3_600), retry_after: 7 };
    proxy.offer_renewal_info(&info);
    let client = client_at(&proxy.directory_url(), proxy.authority()).await;
    let account = account(&client).await;
    let pair = site.obtain(&account, &["a.example"]).await;
    let id = CertificateId::of(pair.leaf()).unwrap();

    let read = client.renewal_info(&id).await.unwrap();

    assert_eq!((read.start, read.end, read.retry_after), (info.start, info.end, Duration::from_secs(60)));
    assert_eq!(proxy.requests_for(Resource::RenewalInfo)[0].path, format!("/renewal-info/{id}"));
    let mut order = order_of(&["a.example"]);
    order.replaces = Some(id.clone());
    proxy.on(Resource::NewOrder).nth(2).answers(Reply::problem(409, "alreadyReplaced", "it was"));
    assert!(matches!(account.new_order(&order).await.unwrap().replaces, Replaces::Accepted));
    let Replaces::Refused(refusal) = account.new_order(&order).await.unwrap().replaces else {
        panic!("accepted")
    };
    assert_eq!(refusal.problem_kind(), Some(ProblemKind::AlreadyReplaced));
    let said: Vec<bool> = proxy
        .requests_for(Resource::NewOrder)
        .iter()
        .map(|it| it.payload.get("replaces").is_some())
        .collect();
    assert_eq!(said, [false, true, true, false]);
}

#[tokio::test]
async fn answers_that_are_lost_on_the_way_cost_no_certificate() {
    let site = Site::start().await;
    let pebble = Pebble::builder().http_port(site.port).start().await;
    let proxy = Proxy::before(&pebble).await;
    let client = client_at(&proxy.directory_url(), proxy.authority()).await;
    let account = account(&client).await;
    for resource in [
        Resource::Authorization,
        Resource::Challenge,
        Resource::Order,
        Resource::Finalize,
        Resource::Certificate,
    ] {
        proxy.on(resource).nth(1).loses_the_answer();
        proxy.on(resource).nth(2).drops_the_request();
        proxy.on(resource).nth(3).answers(Reply::new(500));
        proxy
            .on(resource)
            .nth(4)
            .answers(Reply::problem(503, "serverInternal", "busy").header("retry-after", "1"));
    }

    site.obtain(&account, &["a.example"]).await;

    assert_eq!(pebble.issued().len(), 1);
}
