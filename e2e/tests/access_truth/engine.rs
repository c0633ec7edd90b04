//! The engine under test, fed from what a cluster lists, and its answers to the same questions.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use anyhow::{Context as _, Result};
use hanse_domain::access::directory::Directory;
use hanse_domain::access::index::Index;
use hanse_domain::access::object::{AccessContent, AccessKey};
use hanse_domain::access::query::{Grant, allows, paths, who_can};
use hanse_domain::access::read::read;
use hanse_domain::access::request::{Request, Scope};
use hanse_domain::access::subject::{Identity, Subject};
use hanse_domain::ids::ClusterId;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use crate::ask::What;
use crate::server::Listing;
use crate::who::{Plain, Who};
use crate::words::{DIRECTORY, once_in};

pub(crate) struct Engine {
    index: Index,
    directory: Directory,
    cluster: ClusterId,
    /// Service accounts that are in the inventory.
    accounts: BTreeSet<Subject>,
}

impl Engine {
    /// From everything that a cluster lists.
    pub(crate) fn from_snapshot(listing: &Listing) -> Result<Self> {
        let mut engine = Self {
            index: Index::default(),
            directory: directory()?,
            cluster: "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5".parse()?,
            accounts: BTreeSet::new(),
        };
        let mut objects = Vec::new();
        for (key, value) in listing {
            objects.push((key.clone(), content(key, value)?));
        }
        engine.index.load(engine.cluster, objects);
        engine.count_accounts();
        Ok(engine)
    }

    /// From one listing to the next by changes in any order, one after another or together, some of
    /// them twice.
    pub(crate) fn follow(
        &mut self,
        rng: &mut StdRng,
        before: &Listing,
        after: &Listing,
    ) -> Result<()> {
        let keys: BTreeSet<&AccessKey> = before.keys().chain(after.keys()).collect();
        let mut touched: Vec<&AccessKey> =
            keys.into_iter().filter(|key| before.get(key) != after.get(key)).collect();
        touched.shuffle(rng);
        let mut changes = Vec::new();
        for key in touched {
            let content = after.get(key).map(|value| content(key, value)).transpose()?;
            // A watch that broke tells what is gone, and what is there, once more.
            if once_in(rng, 8) {
                changes.push((key, None));
            }
            if once_in(rng, 8) {
                changes.push((key, content.clone()));
            }
            changes.push((key, content));
        }
        if once_in(rng, 2) {
            self.index.update(self.cluster, changes);
        } else {
            for (key, content) in changes {
                self.index.apply(self.cluster, key, content.as_ref());
            }
        }
        self.count_accounts();
        Ok(())
    }

    fn count_accounts(&mut self) {
        self.accounts = self
            .index
            .service_accounts(self.cluster)
            .map(|account| Subject::service_account(account.namespace, account.name))
            .collect();
    }

    pub(crate) fn allows(&self, what: &What, who: &Who) -> bool {
        let (request, scope) = request(what);
        allows(&self.index, self.cluster, &identity(who), &request, &scope)
    }

    pub(crate) fn paths(&self, what: &What, who: &Who) -> Vec<Grant> {
        let (request, scope) = request(what);
        paths(&self.index, self.cluster, &identity(who), &request, &scope)
    }

    /// Who can do it: everybody listed.
    pub(crate) fn who_can(&self, what: &What) -> BTreeSet<Subject> {
        let (request, scope) = request(what);
        let mut rows = BTreeSet::new();
        let _ = who_can(
            &self.index,
            self.cluster,
            &request,
            &scope,
            &self.directory,
            false,
            &mut |grant| {
                rows.insert(grant.subject);
                ControlFlow::Continue(())
            },
        );
        rows
    }

    /// Whether the rows name somebody: by themselves, or by a group of which nobody can list the members.
    /// Nothing for whom the attributes are not exactly a subject's.
    pub(crate) fn is_among(&self, rows: &BTreeSet<Subject>, who: &Who) -> Option<bool> {
        let subject = subject(who.plain.as_ref()?);
        let identity = self.identity_of(&subject);
        assert_eq!(identity, self::identity(who), "the implicit groups of {subject}");
        let is_known = self.accounts.contains(&subject);
        let by_group = identity.groups.iter().any(|group| {
            let unlisted = group.ends_with("authenticated")
                || (group.starts_with("system:serviceaccounts") && !is_known);
            unlisted && rows.contains(&Subject::Group(group.clone()))
        });
        Some(by_group || rows.contains(&subject))
    }

    pub(crate) fn identity_of(&self, subject: &Subject) -> Identity {
        Identity::of(subject, &self.directory)
    }
}

fn content(key: &AccessKey, value: &serde_json::Value) -> Result<AccessContent> {
    let object = read(key.kind, value).with_context(|| format!("{key}"))?;
    let object = object.with_context(|| format!("{key} is not in the inventory"))?;
    assert_eq!(object.key, *key);
    Ok(object.content)
}

fn directory() -> Result<Directory> {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let groups =
        DIRECTORY.map(|(group, users, groups)| (group.to_owned(), own(users), own(groups)));
    Ok(Directory::new(groups)?)
}

fn identity(who: &Who) -> Identity {
    Identity { username: who.user.clone(), groups: who.groups.clone() }
}

fn subject(plain: &Plain) -> Subject {
    match plain {
        Plain::User(name) => Subject::User(name.clone()),
        Plain::Group(name) => Subject::Group(name.clone()),
        Plain::Account { namespace, name } => {
            Subject::ServiceAccount { namespace: namespace.clone(), name: name.clone() }
        }
    }
}

fn request(what: &What) -> (Request, Scope) {
    match what.clone() {
        What::Path { verb, path } => (Request::Path { verb, path }, Scope::Cluster),
        What::Resource { verb, group, resource, subresource, name, namespace } => {
            let scope = match namespace.as_str() {
                "" => Scope::Cluster,
                _ => Scope::Namespace(namespace),
            };
            let name = Some(name);
            (Request::Resource { verb, api_group: group, resource, subresource, name }, scope)
        }
    }
}
