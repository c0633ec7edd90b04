//! Becoming somebody else: in the name of others, with certificates, with tokens.

use super::Out;
use crate::access::escalation::ability::{ALL_CLIENT_SIGNERS, Ability, CLIENT_SIGNER};
use crate::access::escalation::edge::Edge;
use crate::access::escalation::graph::{Accounts, Key, account};
use crate::access::escalation::rights::Right;
use crate::access::subject::{MASTERS, Subject};

impl Out<'_, '_, '_> {
    /// Whom one can act as.
    pub(super) fn impersonate(&mut self) {
        let (world, rights) = (self.world, self.rights);
        for right in rights.wide(Ability::ImpersonateUsers) {
            match right.names() {
                None => self.add(Edge::Impersonate, right.via, Key::Users),
                Some(names) => {
                    for name in names.iter().filter(|name| world.is_named(name)) {
                        self.add(Edge::Impersonate, right.via, Key::Bare(name.clone()));
                    }
                }
            }
        }
        for right in rights.to(Ability::ImpersonateAccounts) {
            self.become_account(Edge::Impersonate, right, Accounts::Known);
        }
        let mut somebody = rights.wide(Ability::ImpersonateUsers);
        let mut account = rights.to(Ability::ImpersonateAccounts);
        if somebody.next().is_none() && account.next().is_none() {
            return;
        }
        for right in rights.wide(Ability::ImpersonateGroups) {
            match right.names() {
                None => self.add(Edge::Impersonate, right.via, Key::Groups { masters: true }),
                Some(names) => {
                    for name in names {
                        let group = Subject::Group(name.clone());
                        if name == MASTERS || self.world.by_subject.contains_key(&group) {
                            self.add(Edge::Impersonate, right.via, Key::Subject(group));
                        }
                    }
                }
            }
        }
    }

    /// For whom one can sign certificates.
    pub(super) fn certificate(&mut self) {
        let rights = self.rights;
        let create = rights.whole(Ability::CreateRequests);
        let approve = rights.wide(Ability::ApproveRequests).next();
        let signer = rights
            .wide(Ability::ApproveSigner)
            .find(|right| right.is_on(CLIENT_SIGNER) || right.is_on(ALL_CLIENT_SIGNERS));
        if let (Some(_), Some(_), Some(signer)) = (create, approve, signer) {
            self.add(Edge::Certificate, signer.via, Key::Anybody);
        }
    }

    /// Whose tokens one can get.
    pub(super) fn tokens(&mut self) {
        let rights = self.rights;
        for right in rights.to(Ability::Token) {
            self.become_account(Edge::Token, right, Accounts::Existing);
        }
        for read in rights.to(Ability::ReadSecrets) {
            if read.names().is_none() {
                self.become_account(Edge::TokenSecret, read, Accounts::WithSecret);
            }
            for create in rights.to(Ability::CreateSecrets) {
                if let Some(place) = read.place.meet(create.place) {
                    let to = Key::Accounts(Accounts::Existing, place.namespace());
                    self.add(Edge::TokenSecret, create.via, to);
                }
            }
        }
    }

    /// An edge to the service accounts of a right's place, or to those that it names.
    fn become_account(&mut self, edge: Edge, right: Right<'_>, set: Accounts) {
        let world = self.world;
        let Some(names) = right.names() else {
            return self.add(edge, right.via, Key::Accounts(set, right.place.namespace()));
        };
        for name in names {
            let namespaces = world.by_name.get(name).into_iter().flatten();
            for namespace in namespaces.filter(|namespace| right.place.covers(**namespace)) {
                let found = world.accounts.get(&(*namespace, name.clone()));
                if found.is_some_and(|found| set.has(found)) {
                    self.add(edge, right.via, account(world, *namespace, name));
                }
            }
        }
    }
}
