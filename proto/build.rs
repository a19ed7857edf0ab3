//! Compiles the `.proto` files with protox, so that no `protoc` is needed.

use std::{error::Error, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 6] = [
    "weft/v1/types.proto",
    "weft/v1/api.proto",
    "weft/v1/balancing.proto",
    "weft/v1/transit.proto",
    "weft/sync/v1/sync.proto",
    "weft/host/v1/host.proto",
];

/// Messages that the CLI prints as JSON, with their nested types.
const PRINTED: &[&str] = &[
    ".weft.v1.Meta",
    ".weft.v1.Region",
    ".weft.v1.Zone",
    ".weft.v1.Host",
    ".weft.v1.HostStatus",
    ".weft.v1.Refusal",
    ".weft.v1.Vpc",
    ".weft.v1.Subnet",
    ".weft.v1.RouteTable",
    ".weft.v1.Route",
    ".weft.v1.SecurityGroup",
    ".weft.v1.Rule",
    ".weft.v1.NetworkAcl",
    ".weft.v1.AclEntry",
    ".weft.v1.PrefixList",
    ".weft.v1.PrefixListEntry",
    ".weft.v1.PortRange",
    ".weft.v1.IcmpMatch",
    ".weft.v1.Interface",
    ".weft.v1.Attachment",
    ".weft.v1.RateLimits",
    ".weft.v1.IdleTimeouts",
    ".weft.v1.MetadataOptions",
    ".weft.v1.PrivateZone",
    ".weft.v1.DnsRecord",
    ".weft.v1.DnsForward",
    ".weft.v1.PublicPool",
    ".weft.v1.ElasticAddress",
    ".weft.v1.Association",
    ".weft.v1.InterfaceAddress",
    ".weft.v1.InternetGateway",
    ".weft.v1.EgressGateway",
    ".weft.v1.FlowLog",
    ".weft.v1.MirrorFilter",
    ".weft.v1.MirrorRule",
    ".weft.v1.MirrorSession",
    ".weft.v1.Peering",
    ".weft.v1.TransitGateway",
    ".weft.v1.TransitAttachment",
    ".weft.v1.TransitTable",
    ".weft.v1.TransitRoute",
    ".weft.v1.MeterRow",
    ".weft.v1.NatGateway",
    ".weft.v1.PortLeases",
    ".weft.v1.HostRefusal",
    ".weft.v1.ExplainResponse",
    ".weft.v1.Explanation",
    ".weft.v1.ExplainHop",
    ".weft.v1.ExplainStep",
    ".weft.v1.LoadBalancer",
    ".weft.v1.Placement",
    ".weft.v1.Listener",
    ".weft.v1.HealthCheck",
    ".weft.v1.Target",
    ".weft.v1.TargetGroup",
    ".weft.host.v1.Event",
    ".weft.host.v1.ReadFlowLogResponse",
    ".weft.host.v1.StatusResponse",
    ".weft.host.v1.Controller",
    ".weft.host.v1.Datapath",
    ".weft.host.v1.Worker",
    ".weft.host.v1.FlowTable",
    ".weft.host.v1.Port",
    ".weft.host.v1.Tally",
    ".weft.host.v1.DropsResponse",
    ".weft.host.v1.RecentDropsResponse",
    ".weft.host.v1.RecentDrop",
    ".weft.host.v1.Flow",
    ".weft.host.v1.PortsResponse",
    ".weft.host.v1.FlowsResponse",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // Served by gRPC reflection.
    std::fs::write(out.join("weft.bin"), descriptors.encode_to_vec())?;
    let mut config = tonic_prost_build::configure().field_attribute(
        ".weft.v1.Route.origin",
        "#[serde(serialize_with = \"crate::json::origin\")]",
    );
    config = config.field_attribute(
        ".weft.v1.TransitRoute.origin",
        "#[serde(serialize_with = \"crate::json::origin\")]",
    );
    config = config.field_attribute(
        ".weft.v1.Interface.user_data",
        "#[serde(serialize_with = \"crate::json::text\")]",
    );
    for message in PRINTED {
        config = config.type_attribute(
            message,
            "#[derive(serde::Serialize)] #[serde(rename_all = \"snake_case\")]",
        );
    }
    config.compile_fds(descriptors)?;
    Ok(())
}
