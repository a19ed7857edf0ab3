//! The AWS-compatible API as its clients see it: boto3, unmodified, at a real server.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed test is the message"
)]

mod front;
mod support;

use support::Cloud;

/// A test that is a script: it asserts by itself, in a world of its own.
macro_rules! scripts {
    ($($name:ident $script:literal;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let Some(cloud) = Cloud::start().await else { return };
            cloud.run(include_str!(concat!("scripts/", $script)), $script).await;
            cloud.stop().await;
        })*
    };
}

scripts! {
    a_caller_learns_who_it_is_and_where "identity.py";
    wrong_keys_unknown_parameters_and_dry_runs_are_refused_as_by_aws "refusals.py";
    vpcs_are_made_described_changed_and_deleted "vpcs.py";
    subnets_fit_their_vpc_and_no_other "subnets.py";
    gateways_are_attached_once_and_detached "gateways.py";
    routes_lead_where_they_may_and_tables_serve_their_subnets "routes.py";
    groups_have_rules_of_both_forms "groups.py";
    acls_have_numbered_entries_and_every_subnet_has_one "acls.py";
    addresses_and_nat_gateways_are_given_put_on_and_back "addresses.py";
    vpcs_are_peered_across_regions "peerings.py";
    prefix_lists_flow_logs_and_dhcp_options_are_kept "lists.py";
    three_tiers_are_built_and_torn_down_and_nothing_is_left "tiers.py";
    tags_are_put_found_and_taken_off "tags.py";
}
