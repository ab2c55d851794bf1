//! The account at the CA: from the store, else registered. RFC 8555 §7.3.

use tracing::{info, warn};

use super::{Attempt, Obstacle};
use crate::acme::{Account, AccountKey, Client, NewAccount, Terms};
use crate::provision::report::{self, Step};
use crate::secret::Secret;
use crate::store::{self, AccountEntry, Key, Lease, StoreError};

impl Attempt<'_> {
    /// The account at this CA: from the store, else new.
    pub(super) async fn account(&self, client: &Client) -> Result<Account, Obstacle> {
        let (store, directory) = (self.parts.store.as_ref(), self.authority.directory.as_str());
        let unkept = |error: StoreError| report::store("nothing was ordered", &error);
        let known = store::peek_account(store, directory).await.map_err(unkept)?.entry;
        if let Some(AccountEntry { key_pem, url: Some(url), .. }) = known {
            let key = AccountKey::from_pem(key_pem.bytes()).map_err(self.told(Step::Account))?;
            return Ok(Account::stored(client, key, url));
        }
        let _lease = self.lease_account().await?;
        let loaded = store::load_account(store, directory).await.map_err(unkept)?;
        if let Some(broken) = loaded.broken {
            warn!(cause = %broken.why, moved_to = broken.to, "the account's file is broken; registering a new account");
        }
        let Some(entry) = loaded.entry else {
            let key = AccountKey::generate().map_err(self.told(Step::Account))?;
            return self.register(client, key).await;
        };
        let key = AccountKey::from_pem(entry.key_pem.bytes()).map_err(self.told(Step::Account))?;
        match entry.url {
            Some(url) => Ok(Account::stored(client, key, url)),
            None => self.register(client, key).await,
        }
    }

    /// All certificates of a store share the account, and so may processes: one registers, the others wait for it.
    pub(super) async fn lease_account(&self) -> Result<Lease, Obstacle> {
        let key = Key::account(self.authority.directory.as_str());
        let lease = self.parts.store.lease(&key).await;
        lease.map_err(|error| report::store("nothing was ordered", &error))?.ok_or(Obstacle::Busy)
    }

    /// Registers a key that is saved before the CA hears of it, and saves the URL before anything is ordered.
    pub(super) async fn register(&self, client: &Client, key: AccountKey) -> Result<Account, Obstacle> {
        let store = self.parts.store.as_ref();
        let unkept = |error: StoreError| Obstacle::from(report::store("nothing was ordered", &error));
        let mut entry = AccountEntry::new(self.authority.directory.clone(), Secret::new(key.to_pem()));
        entry.contact = self.options.contact.clone();
        store::save_account(store, &entry).await.map_err(unkept)?;
        let meta = &client.directory().meta;
        let new = NewAccount {
            contacts: self.options.contact.clone(),
            terms: if self.options.terms_agreed { Terms::Agreed } else { Terms::NotAgreed },
            external: self.authority.external_account.clone().filter(|_| meta.external_account_required),
        };
        let account = Account::create(client, key, &new).await.map_err(self.told(Step::Account))?;
        info!(
            account = account.url(),
            new = account.was_created(),
            terms = meta.terms_of_service.as_deref().unwrap_or("none"),
            "account at the CA"
        );
        entry.url = Some(account.url().to_owned());
        store::save_account(store, &entry).await.map_err(unkept)?;
        Ok(account)
    }
}
