//! From the order to the moment before the download.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::account::certificate;
use super::scripted::{
    Script, account, answer, authorization, authorization_at, ca, ca_with, json_answer, looked, lost, names,
    new_order, one_authorization, order, pending, placed, problem,
};
use crate::acme::{
    Account, AnyOrder, AuthorizationStatus, CertificateId, CertificateKey, ChallengeKind, ErrorKind,
    NewOrder, Order, ProblemKind, Ready, Replaces,
};
use crate::names::Identifier;

async fn ready(account: &Account) -> Order<Ready> {
    match account.new_order(&new_order()).await.unwrap().order {
        AnyOrder::Ready(order) => order,
        other => panic!("{other:?}"),
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[tokio::test(start_paused = true)]
async fn an_order_may_arrive_past_its_beginning() {
    let arrivals = ["ready", "processing", "valid", "invalid"].map(placed);
    let (script, account) = ca(arrivals.into_iter().chain([authorization("invalid")])).await;
    let place = async || account.new_order(&new_order()).await;

    assert!(matches!(place().await.unwrap().order, AnyOrder::Ready(_)));
    assert!(matches!(place().await.unwrap().order, AnyOrder::Processing(_)));
    assert!(matches!(place().await.unwrap().order, AnyOrder::Valid(_)));
    let dead = place().await.unwrap_err();
    assert_eq!((dead.kind(), dead.problem_kind()), (&ErrorKind::OrderInvalid, Some(ProblemKind::Connection)));
    assert!(script.is_done());
}

#[tokio::test(start_paused = true)]
async fn an_order_names_what_was_asked_once_and_nothing_else() {
    let (script, account) = ca([placed("pending"), placed("pending")]).await;
    let doubled = NewOrder::of(names().into_iter().chain(names()));
    let other = NewOrder::of([Identifier::parse("2001:DB8::1").unwrap()]);

    account.new_order(&doubled).await.unwrap();
    let error = account.new_order(&other).await.unwrap_err();

    assert_eq!(error.kind(), &ErrorKind::OrderDiffers);
    let asked = |place: usize| script.seen()[place].payload.clone();
    assert_eq!(asked(0), json!({ "identifiers": [{ "type": "dns", "value": "a.test" }] }));
    assert_eq!(asked(1), json!({ "identifiers": [{ "type": "ip", "value": "2001:db8::1" }] }));
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_asked_for_only_if_it_is_offered() {
    let offered = json!({ "meta": { "profiles": { "shortlived": "160 h", "classic": "90 d" } } });
    let (script, client) = ca_with(offered, [placed("pending")]).await;
    let account = account(&client);
    let with = |profile: &str| {
        let mut order = new_order();
        order.profile = Some(profile.to_owned());
        order
    };

    account.new_order(&with("shortlived")).await.unwrap();
    let error = account.new_order(&with("tlsserver")).await.unwrap_err();

    let offered = vec!["classic".to_owned(), "shortlived".to_owned()];
    assert_eq!(error.kind(), &ErrorKind::ProfileNotOffered { profile: "tlsserver".to_owned(), offered });
    assert_eq!((script.seen().len(), &script.seen()[0].payload["profile"]), (1, &json!("shortlived")));
}

#[tokio::test(start_paused = true)]
async fn any_refusal_of_replaces_is_followed_by_an_order_without() {
    let mut renewal = new_order();
    renewal.replaces = CertificateId::of(&certificate());
    let id = renewal.replaces.clone().unwrap();
    let (script, client) = ca_with(json!({}), [placed("pending")]).await;
    assert!(matches!(account(&client).new_order(&renewal).await.unwrap().replaces, Replaces::Unsaid));
    assert!(script.seen()[0].payload.get("replaces").is_none(), "a CA without renewal information");

    let malformed = || answer(201, "{").header("location", "https://ca.test/orders/1");
    for refusal in [problem(409, "alreadyReplaced"), answer(500, ""), lost(), malformed()] {
        let ari = json!({ "renewalInfo": "https://ca.test/ari" });
        let (script, client) = ca_with(ari, [refusal, placed("pending")]).await;

        let placed = account(&client).new_order(&renewal).await.unwrap();

        assert!(matches!(placed.replaces, Replaces::Refused(_)));
        let [with, without] = &script.seen()[..] else { panic!("two orders") };
        assert_eq!((&with.payload["replaces"], without.payload.get("replaces")), (&json!(id.as_str()), None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_validation_is_polled_as_the_ca_says_until_it_is_decided() {
    let (script, account) = ca([
        placed("pending"),
        authorization("pending"),
        answer(200, "{}"),
        authorization("pending").header("retry-after", "7"),
        answer(200, "{\"cut"),
        problem(500, "serverInternal"),
        authorization("pending").header("retry-after", "600"),
        authorization("valid"),
    ])
    .await;
    let authorization = one_authorization(&account).await;

    authorization.validate(ChallengeKind::Http01).await.unwrap();

    let seen = script.seen();
    assert_eq!((&seen[2].url, &seen[2].payload), (&"https://ca.test/challenges/1".to_owned(), &json!({})));
    let pauses: Vec<u64> = seen[2..].windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs()).collect();
    // Before the first look, as it said, by itself, again after an error, and no longer than a minute.
    assert_eq!(pauses, [0, 7, 1, 2, 60]);
    assert!(script.is_done());
}

#[tokio::test(start_paused = true)]
async fn a_failed_validation_has_the_words_of_its_challenge() {
    let (script, account) =
        ca([placed("pending"), authorization("pending"), answer(200, "{}"), authorization("invalid")]).await;

    let error = one_authorization(&account).await.validate(ChallengeKind::Http01).await.unwrap_err();

    assert_eq!(error.kind(), &ErrorKind::ValidationFailed(names()[0].clone()));
    assert_eq!(error.problem().unwrap().to_string(), "refused (connection)");
    assert_eq!(error.to_string(), "validation: the CA could not validate a.test");
    assert!(script.is_done() && !error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn a_ca_may_look_while_it_is_told() {
    let slowly = problem(403, "unauthorized").after(seconds(60));
    for now in [authorization("invalid"), authorization("pending"), answer(404, "")] {
        let (script, account) = ca([placed("pending"), authorization("pending")]).await;
        let one = one_authorization(&account).await;
        script.add([problem(403, "unauthorized").after(seconds(60)), now]);

        let error = one.validate(ChallengeKind::Http01).await.unwrap_err();

        assert_eq!(error.kind(), &ErrorKind::ValidationFailed(names()[0].clone()));
        assert!(error.problem_kind().is_some() && script.is_done());
    }
    let (script, account) = ca([
        placed("pending"),
        authorization("pending"),
        slowly,
        authorization("valid"),
        authorization("valid"),
    ])
    .await;
    one_authorization(&account).await.validate(ChallengeKind::Http01).await.unwrap();
    assert!(script.is_done(), "a refusal of what is done already");
}

#[tokio::test(start_paused = true)]
async fn a_refused_account_is_no_failed_validation() {
    for kind in ["rateLimited", "accountDoesNotExist", "userActionRequired"] {
        let (_script, account) =
            ca([placed("pending"), authorization("pending"), problem(403, kind), authorization("pending")])
                .await;
        let error = one_authorization(&account).await.validate(ChallengeKind::Http01).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Server(_)), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_not_heard_is_given_again() {
    let late = || answer(200, "{}").after(seconds(600));
    for unheard in [lost(), answer(500, ""), late()] {
        let (script, account) = ca([placed("pending"), authorization("pending")]).await;
        let one = one_authorization(&account).await;
        script.add([unheard, authorization("pending"), answer(200, "{}"), authorization("valid")]);

        one.validate(ChallengeKind::Http01).await.unwrap();

        assert_eq!((answers(&script), script.is_done()), (2, true));
    }
    let (script, account) = ca([placed("pending"), authorization("pending")]).await;
    let one = one_authorization(&account).await;
    script.add([lost(), authorization_at("pending", "processing"), authorization("valid")]);
    one.validate(ChallengeKind::Http01).await.unwrap();
    assert_eq!((answers(&script), script.is_done()), (1, true), "it was heard after all");
}

fn answers(script: &Script) -> usize {
    script.seen().iter().filter(|seen| seen.url == "https://ca.test/challenges/1").count()
}

#[tokio::test(start_paused = true)]
async fn a_validation_without_end_is_given_up_in_time() {
    let (script, account) = ca([placed("pending"), authorization("pending"), answer(200, "{}")]).await;
    script.add((0..100).map(|_| authorization("pending")));
    let one = one_authorization(&account).await;
    let begin = Instant::now();

    let error = one.validate(ChallengeKind::Http01).await.unwrap_err();

    assert_eq!(error.kind(), &ErrorKind::TimedOut(seconds(300)));
    assert!((seconds(290)..=seconds(300)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn authorizations_that_need_nothing_or_cannot_be_had() {
    let (script, account) = ca(["valid", "deactivated", "pending"]
        .into_iter()
        .flat_map(|status| [placed("pending"), authorization(status)]))
    .await;

    let valid = one_authorization(&account).await;
    valid.validate(ChallengeKind::Http01).await.unwrap();
    let given_back = one_authorization(&account).await;
    assert_eq!(given_back.status(), AuthorizationStatus::Deactivated);
    let error = given_back.validate(ChallengeKind::Http01).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ValidationFailed(_)));
    let error = one_authorization(&account).await.validate(ChallengeKind::TlsAlpn01).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NoChallenge(ChallengeKind::TlsAlpn01, names()[0].clone()));
    assert!(script.is_done());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_leaves_its_folder_is_refused() {
    let challenge =
        json!({ "type": "http-01", "status": "pending", "url": "https://ca.test/c/1", "token": "../x" });
    let identifier = json!({ "type": "dns", "value": "a.test" });
    let body = json!({ "status": "pending", "identifier": identifier, "challenges": [challenge] });
    let (_script, account) = ca([placed("pending"), json_answer(200, body)]).await;

    let error = pending(&account).await.authorizations().await.unwrap_err();

    assert_eq!(error.kind(), &ErrorKind::Malformed("a challenge's token"));
}

#[tokio::test(start_paused = true)]
async fn an_order_is_looked_at_until_it_is_ready() {
    let (script, account) =
        ca([placed("pending"), looked("pending"), answer(500, ""), looked("pending"), looked("ready")]).await;
    pending(&account).await.into_ready().await.unwrap();
    assert!(script.is_done());

    let (_script, account) = ca([placed("pending"), looked("valid")]).await;
    let error = pending(&account).await.into_ready().await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::OrderUnexpected("valid"));
}

#[tokio::test(start_paused = true)]
async fn an_invalid_order_is_not_asked_again() {
    let mut body = order("invalid");
    body["error"] = json!({ "type": "urn:ietf:params:acme:error:compound", "subproblems": [
        { "type": "urn:ietf:params:acme:error:caa", "identifier": { "type": "dns", "value": "a.test" } }] });
    let (script, account) = ca([placed("pending"), json_answer(200, body), authorization("invalid")]).await;

    let error = pending(&account).await.into_ready().await.unwrap_err();

    assert_eq!(error.problem().unwrap().subproblems[0].problem.kind(), Some(ProblemKind::Caa));
    let [(name, problem)] = error.authorizations() else { panic!("one") };
    assert_eq!((name, problem.kind()), (&names()[0], Some(ProblemKind::Connection)));
    assert!(script.is_done());
}

#[tokio::test(start_paused = true)]
async fn finalize_is_repeated_only_if_the_order_did_not_hear_it() {
    let key = CertificateKey::generate().unwrap();
    for (steps, heard) in [
        (vec![looked("processing"), looked("valid")], 1),
        (vec![looked("valid")], 1),
        (vec![problem(403, "orderNotReady"), looked("ready"), looked("valid")], 2),
        (vec![problem(403, "orderNotReady"), looked("pending"), looked("ready"), looked("valid")], 2),
        (vec![lost(), looked("processing"), looked("valid")], 1),
        (vec![lost(), looked("ready"), looked("processing"), looked("valid")], 2),
        (vec![answer(200, "{"), looked("valid")], 1),
        (vec![answer(500, ""), looked("ready"), looked("ready"), looked("valid")], 2),
    ] {
        let (script, account) = ca([placed("ready")].into_iter().chain(steps)).await;

        ready(&account).await.finalize(&key).await.unwrap().into_valid().await.unwrap();

        let asked = script.seen().iter().filter(|seen| seen.url.ends_with("/finalize")).count();
        assert_eq!((asked, script.is_done()), (heard, true));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_and_a_failed_issuance_end_the_order() {
    let key = CertificateKey::generate().unwrap();
    let (_script, account) = ca([placed("ready"), problem(400, "badCSR")]).await;
    let error = ready(&account).await.finalize(&key).await.unwrap_err();
    assert_eq!((error.problem_kind(), error.during()), (Some(ProblemKind::BadCsr), Some("finalize")));

    let steps = [placed("ready"), looked("processing"), looked("invalid"), authorization("valid")];
    let (script, account) = ca(steps).await;
    let error = ready(&account).await.finalize(&key).await.unwrap().into_valid().await.unwrap_err();
    assert_eq!((error.kind(), error.problem()), (&ErrorKind::OrderInvalid, None));
    assert!(script.is_done());
}

#[tokio::test(start_paused = true)]
async fn every_step_may_run_in_a_task_of_its_own() {
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    let (_script, account) = ca([placed("ready"), looked("valid"), answer(200, "")]).await;
    let key = CertificateKey::generate().unwrap();
    let placed = is_send(account.new_order(&new_order())).await.unwrap();
    let AnyOrder::Ready(order) = placed.order else { panic!("not ready") };
    let valid = is_send(is_send(order.finalize(&key)).await.unwrap().into_valid()).await.unwrap();
    is_send(valid.certificate(&key, None)).await.unwrap_err();
}
