//! Prefix lists: hosts never see them, only the rules and routes that they stand for. A change of a
//! list makes anew what names it, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use weft_model::{
    Destination, Peer, Prefix, PrefixList, PrefixListId, RouteTable, RouteTableId, SecurityGroup,
    SecurityGroupId,
    state::{State, StateKey},
};

use super::{Audience, Planner};
use crate::{derive, plan::Plan};

/// Who names a list.
type Users<K> = BTreeMap<PrefixListId, BTreeSet<K>>;

/// The lists, and what names them.
#[derive(Debug, Default)]
pub(super) struct Lists {
    prefixes: BTreeMap<PrefixListId, Vec<Prefix>>,
    tables: Users<RouteTableId>,
    groups: Users<SecurityGroupId>,
    /// Groups that name a list, to be made anew when it changes.
    naming: BTreeMap<SecurityGroupId, SecurityGroup>,
}

impl Lists {
    /// None of a list that isn't there (yet).
    pub(super) fn prefixes(&self, list: PrefixListId) -> &[Prefix] {
        self.prefixes.get(&list).map_or(&[], Vec::as_slice)
    }

    pub(super) fn link_table(&mut self, table: &RouteTable) {
        for route in &table.routes {
            if let Destination::List(list) = route.destination {
                self.tables.entry(list).or_default().insert(table.id);
            }
        }
    }

    pub(super) fn unlink_table(&mut self, table: RouteTableId) {
        forget(&mut self.tables, table);
    }

    fn link_group(&mut self, group: &SecurityGroup) {
        self.unlink_group(group.id);
        for rule in group.ingress.iter().chain(&group.egress) {
            if let Peer::List(list) = rule.peer {
                self.groups.entry(list).or_default().insert(group.id);
                self.naming.entry(group.id).or_insert_with(|| group.clone());
            }
        }
    }

    fn unlink_group(&mut self, group: SecurityGroupId) {
        if self.naming.remove(&group).is_some() {
            forget(&mut self.groups, group);
        }
    }
}

/// A cloud has at most some hundred lists.
fn forget<K: Ord>(users: &mut Users<K>, user: K) {
    users.retain(|_, users| {
        users.remove(&user);
        !users.is_empty()
    });
}

impl<B> Planner<B> {
    pub(super) fn put_group(&mut self, group: &SecurityGroup, plan: &mut Plan<B>) {
        self.lists.link_group(group);
        let lists = &self.lists;
        let state = State::Group(derive::group(group, |list| lists.prefixes(list)));
        self.set(&state, &Audience::Group(group.id), plan);
    }

    pub(super) fn take_group(&mut self, id: SecurityGroupId, plan: &mut Plan<B>) {
        self.lists.unlink_group(id);
        self.unset(&StateKey::Group(id), &Audience::Group(id), plan);
    }

    pub(super) fn put_list(&mut self, list: &PrefixList, plan: &mut Plan<B>) {
        let prefixes = list.prefixes().collect();
        self.lists.prefixes.insert(list.id, prefixes);
        self.refresh_users(list.id, plan);
    }

    pub(super) fn take_list(&mut self, id: PrefixListId, plan: &mut Plan<B>) {
        self.lists.prefixes.remove(&id);
        self.refresh_users(id, plan);
    }

    fn refresh_users(&mut self, list: PrefixListId, plan: &mut Plan<B>) {
        let groups = self.lists.groups.get(&list).into_iter().flatten();
        let groups: Vec<_> = groups
            .filter_map(|group| self.lists.naming.get(group))
            .cloned()
            .collect();
        for group in &groups {
            self.put_group(group, plan);
        }
        let tables = self.lists.tables.get(&list).cloned().unwrap_or_default();
        for table in tables {
            self.refresh_table(table, plan);
        }
    }
}
