//! What the command line says.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use crate::aws;
use clap::Args;
use ipnet::Ipv6Net;
use weft_model::{
    AccountId,
    ops::{Quotas, Settings},
};
use weft_telemetry::TelemetryOptions;

/// How the controller runs.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where to serve, for people and for hosts; can be given more than once
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7400")]
    pub listen: Vec<SocketAddr>,

    /// Where the cloud is kept
    #[arg(long, value_name = "DIR", env = "WEFT_DATA", default_value_os_t = default_data())]
    pub data: PathBuf,

    /// The pool that VPCs get an IPv6 /56 from
    #[arg(long, value_name = "PREFIX", default_value = "fd57:6566:7400::/40", value_parser = pool)]
    pub ipv6_pool: Ipv6Net,

    /// Whose the cloud is: what flow logs and metering call it
    #[arg(long, value_name = "12 DIGITS", env = "WEFT_ACCOUNT", default_value_t)]
    pub account: AccountId,

    /// A limit to set, as vpcs-per-region=50; `unlimited` lifts all; can be given more than once
    #[arg(long, value_name = "NAME=NUMBER")]
    pub quota: Vec<Quota>,

    /// The AWS-compatible API.
    #[command(flatten)]
    pub aws: aws::Options,

    /// How it is watched
    #[command(flatten)]
    pub telemetry: TelemetryOptions,
}

impl Options {
    /// What commands need to know of them.
    pub fn settings(&self) -> Settings {
        let mut quotas = Quotas::default();
        for quota in &self.quota {
            quota.apply(&mut quotas);
        }
        Settings {
            quotas,
            ipv6_pool: Some(self.ipv6_pool),
            account: self.account.clone(),
            default_vpcs: self.aws.listen.is_some(),
        }
    }
}

/// Where the session's owner keeps state, or else where the system does.
fn default_data() -> PathBuf {
    let state = std::env::var_os("XDG_STATE_HOME").filter(|value| !value.is_empty());
    PathBuf::from(state.unwrap_or_else(|| "/var/lib".into())).join("weft")
}

fn pool(text: &str) -> Result<Ipv6Net, String> {
    match text.parse::<Ipv6Net>() {
        Ok(pool) if pool.prefix_len() <= 56 => Ok(pool.trunc()),
        _ => Err("an IPv6 prefix of length 56 or less is wanted".to_owned()),
    }
}

/// One limit to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    limit: Limit,
    number: usize,
}

/// Why a text sets no limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// There is no such limit.
    #[error(
        "there is no quota `{name}`: use unlimited, or one of {}",
        Limit::names()
    )]
    Unknown {
        /// What was given.
        name: String,
    },
    /// There is no number.
    #[error("give the limit as {name}=NUMBER")]
    Number {
        /// The limit that was named.
        name: String,
    },
}

macro_rules! limits {
    ($($variant:ident $name:literal $field:ident;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Limit { All, $($variant,)* }

        impl Limit {
            fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            fn names() -> String {
                [$($name),*].join(", ")
            }
        }

        impl Quota {
            fn apply(self, quotas: &mut Quotas) {
                match self.limit {
                    Limit::All => *quotas = Quotas::UNLIMITED,
                    $(Limit::$variant => quotas.$field = self.number,)*
                }
            }
        }
    };
}

limits! {
    VpcsPerRegion "vpcs-per-region" vpcs_per_region;
    CidrsPerVpc "cidrs-per-vpc" cidrs_per_vpc;
    SubnetsPerVpc "subnets-per-vpc" subnets_per_vpc;
    RouteTablesPerVpc "route-tables-per-vpc" route_tables_per_vpc;
    RoutesPerTable "routes-per-table" routes_per_table;
    GroupsPerRegion "groups-per-region" groups_per_region;
    RulesPerGroup "rules-per-group" rules_per_group;
    AclsPerVpc "acls-per-vpc" acls_per_vpc;
    EntriesPerAcl "entries-per-acl" entries_per_acl;
    PrefixListsPerRegion "prefix-lists-per-region" prefix_lists_per_region;
    EntriesPerPrefixList "entries-per-prefix-list" entries_per_prefix_list;
    GroupsPerInterface "groups-per-interface" groups_per_interface;
    InterfacesPerRegion "interfaces-per-region" interfaces_per_region;
    BalancersPerRegion "load-balancers-per-region" balancers_per_region;
    ListenersPerBalancer "listeners-per-load-balancer" listeners_per_balancer;
    TargetGroupsPerRegion "target-groups-per-region" target_groups_per_region;
    TargetsPerGroup "targets-per-group" targets_per_group;
    PeeringsPerVpc "peerings-per-vpc" peerings_per_vpc;
    PendingPeeringsPerVpc "pending-peerings-per-vpc" pending_peerings_per_vpc;
    TransitGateways "transit-gateways" transit_gateways;
    TransitGatewaysPerVpc "transit-gateways-per-vpc" transit_gateways_per_vpc;
    AttachmentsPerTransitGateway "attachments-per-transit-gateway" attachments_per_transit_gateway;
    TablesPerTransitGateway "tables-per-transit-gateway" tables_per_transit_gateway;
    RoutesPerTransitTable "routes-per-transit-table" routes_per_transit_table;
    AddressesPerInterface "addresses-per-interface" addresses_per_interface;
    ElasticAddressesPerRegion "elastic-addresses-per-region" elastic_addresses_per_region;
    InternetGateways "internet-gateways" internet_gateways;
    FlowLogsPerResource "flow-logs-per-resource" flow_logs_per_resource;
    MirrorFiltersPerRegion "mirror-filters-per-region" mirror_filters_per_region;
    RulesPerMirrorFilter "rules-per-mirror-filter" rules_per_mirror_filter;
    MirrorSessionsPerSource "mirror-sessions-per-source" mirror_sessions_per_source;
    PrivateZones "private-zones" private_zones;
    VpcsPerPrivateZone "vpcs-per-private-zone" vpcs_per_private_zone;
    RecordsPerPrivateZone "records-per-private-zone" records_per_private_zone;
    NatGatewaysPerSubnet "nat-gateways-per-subnet" nat_gateways_per_subnet;
    TagsPerResource "tags-per-resource" tags_per_resource;
}

impl FromStr for Quota {
    type Err = QuotaError;

    fn from_str(text: &str) -> Result<Self, QuotaError> {
        if text == "unlimited" {
            let (limit, number) = (Limit::All, usize::MAX);
            return Ok(Self { limit, number });
        }
        let (name, number) = text.split_once('=').unwrap_or((text, ""));
        let name = name.to_owned();
        let Some(limit) = Limit::named(&name) else {
            return Err(QuotaError::Unknown { name });
        };
        let number = number.parse().map_err(|_| QuotaError::Number { name })?;
        Ok(Self { limit, number })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn parse(args: &[&str]) -> Result<Options, clap::Error> {
        let args = std::iter::once("weft").chain(args.iter().copied());
        Cli::try_parse_from(args).map(|cli| cli.options)
    }

    #[test]
    fn nothing_said_serves_loopback_only() {
        let options = parse(&[]).unwrap();
        assert!(
            options
                .listen
                .iter()
                .all(|address| address.ip().is_loopback())
        );
        assert_eq!(options.settings().quotas, Quotas::default());
    }

    #[test]
    fn a_quota_sets_its_limit_and_no_other() {
        let options = parse(&["--quota", "vpcs-per-region=50"]).unwrap();
        let expected = Quotas {
            vpcs_per_region: 50,
            ..Quotas::default()
        };
        assert_eq!(options.settings().quotas, expected);
    }

    #[test]
    fn a_quota_after_unlimited_still_holds() {
        let options = parse(&["--quota", "unlimited", "--quota", "cidrs-per-vpc=1"]).unwrap();
        let expected = Quotas {
            cidrs_per_vpc: 1,
            ..Quotas::UNLIMITED
        };
        assert_eq!(options.settings().quotas, expected);
    }

    #[test]
    fn unknown_quotas_and_small_pools_are_refused() {
        for args in [
            ["--quota", "vpcs=5"],
            ["--quota", "vpcs-per-region"],
            ["--quota", "vpcs-per-region=-1"],
            ["--ipv6-pool", "fd00::/64"],
            ["--ipv6-pool", "10.0.0.0/8"],
        ] {
            assert!(parse(&args).is_err(), "{args:?}");
        }
    }
}
