//! Ids: those of the model, and those of what the model has no id for, made from what it is.

use std::{fmt::Display, str::FromStr};

use weft_model::{
    EgressGatewayId, ElasticAddressId, FlowLogId, InterfaceId, InternetGatewayId, Kind,
    NatGatewayId, NetworkAclId, PeeringId, PrefixListId, ResourceKey, RouteTableId,
    SecurityGroupId, SubnetId, TransitAttachmentId, TransitGatewayId, TransitTableId, VpcId,
};

use crate::{Fault, fault};

/// An id of the model that requests name.
pub trait AwsId: FromStr + Display + Copy + Ord + Into<ResourceKey> + Send + 'static {
    /// Its letters.
    const LETTERS: &'static str;
    /// The code for what is no such id at all.
    const MALFORMED: &'static str;
    /// What it names.
    const KIND: Kind;

    /// The id in a key of the kind.
    fn of(key: &ResourceKey) -> Option<Self>;
}

macro_rules! ids {
    ($($id:ident $kind:ident $malformed:literal;)*) => {
        $(impl AwsId for $id {
            const LETTERS: &'static str = $id::PREFIX;
            const MALFORMED: &'static str = $malformed;
            const KIND: Kind = Kind::$kind;

            fn of(key: &ResourceKey) -> Option<Self> {
                match key {
                    ResourceKey::$kind(id) => Some(*id),
                    _ => None,
                }
            }
        })*
    };
}

ids! {
    VpcId Vpc "InvalidVpcID.Malformed";
    SubnetId Subnet "InvalidSubnetID.Malformed";
    RouteTableId RouteTable "InvalidRouteTableId.Malformed";
    SecurityGroupId SecurityGroup "InvalidGroupId.Malformed";
    NetworkAclId NetworkAcl "InvalidNetworkAclId.Malformed";
    InternetGatewayId InternetGateway "InvalidInternetGatewayId.Malformed";
    EgressGatewayId EgressGateway "InvalidEgressOnlyInternetGatewayId.Malformed";
    NatGatewayId NatGateway "NatGatewayMalformed";
    InterfaceId Interface "InvalidNetworkInterfaceId.Malformed";
    ElasticAddressId ElasticAddress "InvalidAllocationId.Malformed";
    PeeringId Peering "InvalidVpcPeeringConnectionId.Malformed";
    PrefixListId PrefixList "InvalidPrefixListId.Malformed";
    FlowLogId FlowLog "InvalidFlowLogId.Malformed";
    TransitGatewayId TransitGateway "InvalidTransitGatewayID.Malformed";
    TransitTableId TransitTable "InvalidRouteTableId.Malformed";
    TransitAttachmentId TransitAttachment "InvalidTransitGatewayAttachmentID.Malformed";
}

/// Reads an id of the model.
///
/// # Errors
/// When it is malformed; or well-formed in AWS's eyes (8 or 17 digits) and none that Weft gives,
/// when it names nothing.
pub fn parse<T: AwsId>(text: &str) -> Result<T, Fault> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    if is_well_formed(T::LETTERS, text) {
        return Err(fault::unknown(T::KIND, text));
    }
    let letters = T::LETTERS;
    let text: String = text.chars().take(64).collect();
    let message = format!("Invalid id: \"{text}\" (expecting \"{letters}-...\")");
    Err(Fault::new(T::MALFORMED, message))
}

/// Whether AWS takes the text for an id with these letters.
pub fn is_well_formed(letters: &str, text: &str) -> bool {
    let digits = text.strip_prefix(letters).and_then(|t| t.strip_prefix('-'));
    digits.is_some_and(|digits| {
        matches!(digits.len(), 8 | 17)
            && digits
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// The id of what the model knows by what it joins: the same for the same, and another for another.
pub fn derived(letters: &str, parts: &[&dyn Display]) -> String {
    // FNV-1a over the parts, then a mixer (splitmix64) that spreads it over all digits.
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for part in parts {
        for byte in part.to_string().bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    format!("{letters}-{:017x}", hash ^ (hash >> 31))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_weft_never_gave_is_unknown_and_what_nobody_gives_is_malformed() {
        let code = |text: &str| parse::<VpcId>(text).unwrap_err().code;
        assert_eq!(code("vpc-12345678"), "InvalidVpcID.NotFound");
        assert_eq!(code("vpc-1234567890abcdef0"), "InvalidVpcID.NotFound");
        for bad in [
            "",
            "vpc",
            "vpc-",
            "vpc-1234567",
            "subnet-12345678",
            "vpc-1234567G",
        ] {
            assert_eq!(code(bad), "InvalidVpcID.Malformed", "{bad}");
        }
        assert!(parse::<VpcId>("vpc-0123456789abcdef0").is_ok());
    }

    #[test]
    fn a_derived_id_is_well_formed_and_follows_its_parts() {
        let one = derived("rtbassoc", &[&"subnet-1", &"rtb-1"]);
        assert!(is_well_formed("rtbassoc", &one), "{one}");
        assert_eq!(one, derived("rtbassoc", &[&"subnet-1", &"rtb-1"]));
        assert_ne!(one, derived("rtbassoc", &[&"subnet-1", &"rtb-2"]));
        assert_ne!(derived("x", &[&"ab", &"c"]), derived("x", &[&"a", &"bc"]));
    }
}
