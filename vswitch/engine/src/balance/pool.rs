//! A target group, ready to pick from: a table per zone and family, built when it is first needed.

use std::{net::IpAddr, sync::OnceLock};

use weft_model::{
    Health, ZoneName,
    state::{TargetGroupState, TargetState},
};

use super::maglev::{Backend, Maglev, SLOTS, mix};

/// A table, and the places of its backends in the group.
type Table = Option<(Maglev, Vec<u16>)>;

/// Whose targets are wanted first; `None`: of every zone.
#[derive(Debug)]
struct Scope {
    zone: Option<ZoneName>,
    v6: bool,
    table: OnceLock<Table>,
}

/// A target group.
#[derive(Debug)]
pub(crate) struct Pool {
    state: TargetGroupState,
    scopes: Vec<Scope>,
}

/// Where the target serves clients of this family.
pub(crate) fn address(target: &TargetState, v6: bool) -> Option<IpAddr> {
    let mut addresses = target.addresses.iter().copied();
    addresses.find(|address| address.is_ipv6() == v6)
}

/// The same for the same target wherever it is asked.
fn identity(target: &TargetState) -> u64 {
    mix(target.interface.bits() ^ mix(u64::from(target.port)))
}

impl Pool {
    /// What is unknown of a target's health stays as it was in the pool before.
    pub(crate) fn new(mut state: TargetGroupState, before: Option<&Self>) -> Self {
        for target in &mut state.targets {
            let same = |old: &&TargetState| {
                (old.interface, old.port, &old.addresses)
                    == (target.interface, target.port, &target.addresses)
            };
            if target.health == Health::Unknown {
                let old = before.and_then(|before| before.state.targets.iter().find(same));
                target.health = old.map_or(Health::Unknown, |old| old.health);
            }
        }
        let mut zones: Vec<Option<ZoneName>> = vec![None];
        zones.extend(state.targets.iter().map(|target| Some(target.zone.clone())));
        zones.sort();
        zones.dedup();
        let scopes = zones.iter().flat_map(|zone| {
            [false, true].map(|v6| Scope {
                zone: zone.clone(),
                v6,
                table: OnceLock::new(),
            })
        });
        Self {
            scopes: scopes.collect(),
            state,
        }
    }

    pub(crate) fn state(&self) -> &TargetGroupState {
        &self.state
    }

    /// The target that serves at this address and port, draining or not.
    pub(crate) fn target(&self, address: IpAddr, port: u16) -> Option<&TargetState> {
        let mut targets = self.state.targets.iter();
        targets.find(|target| target.port == port && target.addresses.contains(&address))
    }

    /// Whether no target of the family is healthy, so that those which aren't serve. One on its way
    /// out takes nobody's place.
    pub(crate) fn fails_open(&self, v6: bool) -> bool {
        let mut staying = self.state.targets.iter().filter(|target| !target.draining);
        !staying.any(|target| target.health == Health::Healthy && address(target, v6).is_some())
    }

    /// The target of a new connection with this hash, from a client in the zone, or from anywhere.
    pub(crate) fn pick(
        &self,
        zone: Option<&ZoneName>,
        v6: bool,
        hash: u64,
    ) -> Option<&TargetState> {
        let scope = |zone: Option<&ZoneName>| {
            let mut scopes = self.scopes.iter();
            scopes.find(|scope| scope.zone.as_ref() == zone && scope.v6 == v6)
        };
        // A zone without targets is served by the others.
        let scope = scope(zone).or_else(|| scope(None))?;
        let table = scope.table.get_or_init(|| self.table(scope));
        let (maglev, members) = table.as_ref()?;
        let place = members[maglev.pick(hash)];
        self.state.targets.get(usize::from(place))
    }

    /// Healthy ones of the zone; where it has none, of any zone; where nobody is, those that
    /// aren't, the zone's first. One that was never checked gets nothing.
    fn table(&self, scope: &Scope) -> Table {
        let wants = [Health::Healthy, Health::Unhealthy];
        let scopes = wants.iter().flat_map(|health| {
            let own = scope.zone.as_ref().map(|zone| (Some(zone), *health));
            own.into_iter().chain([(None, *health)])
        });
        scopes
            .map(|(zone, health)| self.members(zone, scope.v6, health))
            .find(|members| !members.is_empty())
            .and_then(|members| {
                let backends: Vec<Backend> = members.iter().map(|&at| self.backend(at)).collect();
                Some((Maglev::build(SLOTS, &backends)?, members))
            })
    }

    fn members(&self, zone: Option<&ZoneName>, v6: bool, health: Health) -> Vec<u16> {
        let targets = self.state.targets.iter().enumerate();
        let fits = |target: &TargetState| {
            !target.draining
                && target.health == health
                && zone.is_none_or(|zone| target.zone == *zone)
                && address(target, v6).is_some()
        };
        targets
            .filter(|(_, target)| fits(target))
            .filter_map(|(at, _)| u16::try_from(at).ok())
            .collect()
    }

    fn backend(&self, at: u16) -> Backend {
        let target = &self.state.targets[usize::from(at)];
        Backend {
            identity: identity(target),
            weight: target.weight.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use weft_model::{HealthCheck, InterfaceId, Probe, TargetGroupId, VpcId, Weight};

    use super::*;

    fn zone(name: &str) -> ZoneName {
        name.parse().unwrap()
    }

    fn target(n: u8, place: &str, health: Health) -> TargetState {
        TargetState {
            interface: InterfaceId::from_bits(n.into()),
            zone: zone(place),
            addresses: vec![IpAddr::from([10, 0, 0, n])],
            port: 80,
            weight: Weight::ONE,
            draining: false,
            health,
        }
    }

    fn pool(targets: Vec<TargetState>) -> Pool {
        let state = TargetGroupState {
            id: TargetGroupId::from_bits(1),
            vpc: VpcId::from_bits(1),
            health_check: HealthCheck::new(Probe::Tcp),
            preserve_client_address: true,
            targets,
        };
        Pool::new(state, None)
    }

    /// The last bytes of all who are picked for clients in the zone.
    fn picked(pool: &Pool, from: Option<&str>) -> BTreeSet<u64> {
        let from = from.map(zone);
        let picks = (0..1000).filter_map(|n| pool.pick(from.as_ref(), false, mix(n)));
        picks.map(|target| target.interface.bits()).collect()
    }

    use Health::{Healthy, Unhealthy, Unknown};

    #[test]
    fn clients_use_their_own_zone_unless_the_zones_are_one() {
        let pool = pool(vec![target(1, "a", Healthy), target(2, "b", Healthy)]);
        assert_eq!(picked(&pool, Some("a")), [1].into());
        assert_eq!(picked(&pool, Some("b")), [2].into());
        assert_eq!(picked(&pool, None), [1, 2].into());
        assert_eq!(picked(&pool, Some("c")), [1, 2].into(), "it has none");
    }

    #[test]
    fn a_zone_without_healthy_targets_is_served_by_the_others() {
        let pool = pool(vec![target(1, "a", Unhealthy), target(2, "b", Healthy)]);
        assert_eq!(picked(&pool, Some("a")), [2].into());
        assert!(!pool.fails_open(false));
    }

    #[test]
    fn where_all_are_unhealthy_all_serve() {
        let pool = pool(vec![target(1, "a", Unhealthy), target(2, "b", Unhealthy)]);
        assert_eq!(picked(&pool, Some("a")), [1].into());
        assert_eq!(picked(&pool, None), [1, 2].into());
        assert!(pool.fails_open(false));
    }

    #[test]
    fn a_healthy_target_on_its_way_out_keeps_the_unhealthy_ones_serving() {
        let mut leaving = target(2, "a", Healthy);
        leaving.draining = true;
        let pool = pool(vec![target(1, "a", Unhealthy), leaving]);
        assert_eq!(picked(&pool, None), [1].into());
        assert!(pool.fails_open(false), "or those would be reset at once");
    }

    #[test]
    fn new_and_draining_targets_get_nothing() {
        let mut draining = target(2, "a", Healthy);
        draining.draining = true;
        let pool = pool(vec![target(1, "a", Unknown), draining]);
        assert_eq!(picked(&pool, None), BTreeSet::new());
        assert!(
            pool.pick(None, true, 0).is_none(),
            "nor does another family"
        );
    }

    #[test]
    fn what_nobody_knows_stays_as_it_was() {
        let before = pool(vec![target(1, "a", Healthy), target(2, "a", Unhealthy)]);
        let mut state = before.state().clone();
        for target in &mut state.targets {
            target.health = Unknown;
        }
        state.targets.push(target(3, "a", Unknown));
        let after = Pool::new(state, Some(&before));
        let health: Vec<Health> = after.state().targets.iter().map(|t| t.health).collect();
        assert_eq!(health, [Healthy, Unhealthy, Unknown]);
    }
}
