//! Errors in the services' own words.

use weft_model::{Kind, ResourceKey, ops::OpError};

use crate::{Service, Xml};

/// Why a call is refused: the code that clients match, and a message for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Fault {
    /// The HTTP status.
    pub status: u16,
    /// The service's code.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
}

impl Fault {
    /// A caller's error.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            code,
            message: message.into(),
        }
    }

    /// The same with another status.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// A parameter's value can't be.
    pub fn value(parameter: &str, value: &str, why: impl std::fmt::Display) -> Self {
        let message = format!("Value ({value}) for parameter {parameter} is invalid. {why}");
        Self::new("InvalidParameterValue", message)
    }

    /// A parameter is needed.
    pub fn missing(parameter: &str) -> Self {
        let message = format!("The request must contain the parameter {parameter}");
        Self::new("MissingParameter", message)
    }

    /// Two parameters exclude each other.
    pub fn combination(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombination", message)
    }

    /// AWS has it and Weft hasn't.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new("UnsupportedOperation", message)
    }

    /// Its body, as the service writes errors.
    pub fn body(&self, service: Service, request_id: &str) -> Vec<u8> {
        let mut xml = Xml::document(service);
        let error = |xml: &mut Xml| {
            xml.text("Code", self.code);
            xml.text("Message", &self.message);
        };
        if service == Service::Ec2 {
            xml.nest("Response", |xml| {
                xml.nest("Errors", |xml| xml.nest("Error", error));
                xml.text("RequestID", request_id);
            });
        } else {
            xml.root("ErrorResponse", service.namespace(), |xml| {
                xml.nest("Error", |xml| {
                    let own = self.status >= 500;
                    xml.text("Type", if own { "Receiver" } else { "Sender" });
                    error(xml);
                });
                xml.text("RequestId", request_id);
            });
        }
        xml.finish()
    }
}

/// The service's words for a resource that doesn't exist.
pub fn not_found(key: &ResourceKey) -> Fault {
    unknown(key.kind(), &key.to_string())
}

/// The same, by kind and id.
pub fn unknown(kind: Kind, id: &str) -> Fault {
    let (code, noun) = match kind {
        Kind::Vpc => ("InvalidVpcID.NotFound", "vpc ID"),
        Kind::Subnet => ("InvalidSubnetID.NotFound", "subnet ID"),
        Kind::RouteTable => ("InvalidRouteTableID.NotFound", "routeTable ID"),
        Kind::SecurityGroup => ("InvalidGroup.NotFound", "security group"),
        Kind::NetworkAcl => ("InvalidNetworkAclID.NotFound", "networkAcl ID"),
        Kind::InternetGateway => ("InvalidInternetGatewayID.NotFound", "internetGateway ID"),
        Kind::EgressGateway => ("InvalidGatewayID.NotFound", "egressOnlyInternetGateway ID"),
        Kind::NatGateway => {
            let message = format!("The Nat Gateway {id} was not found");
            return Fault::new("NatGatewayNotFound", message);
        }
        Kind::Interface => ("InvalidNetworkInterfaceID.NotFound", "networkInterface ID"),
        Kind::ElasticAddress => ("InvalidAllocationID.NotFound", "allocation ID"),
        Kind::Peering => (
            "InvalidVpcPeeringConnectionID.NotFound",
            "vpcPeeringConnection ID",
        ),
        Kind::PrefixList => ("InvalidPrefixListID.NotFound", "prefix list ID"),
        Kind::FlowLog => ("InvalidFlowLogId.NotFound", "flow log ID"),
        Kind::TransitGateway => ("InvalidTransitGatewayID.NotFound", "transit gateway ID"),
        Kind::Balancer => ("LoadBalancerNotFound", "load balancer"),
        Kind::TargetGroup => ("TargetGroupNotFound", "target group"),
        Kind::Listener => ("ListenerNotFound", "listener"),
        _ => ("InvalidID", "ID"),
    };
    absent(code, noun, id)
}

/// The services' words for what doesn't exist.
pub fn absent(code: &'static str, noun: &str, id: &str) -> Fault {
    Fault::new(code, format!("The {noun} '{id}' does not exist"))
}

impl From<OpError> for Fault {
    fn from(error: OpError) -> Self {
        of(error)
    }
}

/// The service's words for what the model refuses. An action that knows better maps first.
pub fn of(error: OpError) -> Fault {
    match error {
        OpError::NotFound(key) => not_found(&key),
        OpError::AlreadyExists(key) => {
            let message = format!("{} {key} already exists", key.kind().text());
            Fault::new("InvalidParameterValue", message)
        }
        OpError::Invalid(violations) => {
            let reasons: Vec<&str> = violations.iter().map(|v| v.reason.as_str()).collect();
            Fault::new("InvalidParameterValue", reasons.join("; "))
        }
        OpError::InUse { key, .. } => in_use(&key),
        OpError::Protected { key, reason } => Fault::new(
            "OperationNotPermitted",
            format!("{} {key}: {reason}", key.kind().text()),
        ),
        OpError::Exhausted { what, within } => exhausted(what, &within),
        OpError::Quota {
            what,
            within,
            limit,
        } => Fault::new(
            limit_code(what),
            format!("The maximum number of {what} has been reached: {within} may have {limit}."),
        ),
        OpError::Stale { key, .. } => Fault::new(
            "IncorrectState",
            format!("{} {key} has changed meanwhile", key.kind().text()),
        ),
    }
}

fn in_use(key: &ResourceKey) -> Fault {
    let noun = match key.kind() {
        Kind::Vpc => "vpc",
        Kind::Subnet => "subnet",
        Kind::RouteTable => "routeTable",
        Kind::NetworkAcl => "networkAcl",
        Kind::InternetGateway => "internetGateway",
        _ => "resource",
    };
    let message = format!("The {noun} '{key}' has dependencies and cannot be deleted.");
    Fault::new("DependencyViolation", message)
}

fn exhausted(what: &str, within: &str) -> Fault {
    let code = if what.contains("public") {
        "InsufficientAddressCapacity"
    } else if what.contains("address") {
        "InsufficientFreeAddressesInSubnet"
    } else {
        "InsufficientCapacity"
    };
    Fault::new(code, format!("No {what} is free in {within}"))
}

/// The code of a limit, by what is limited, as the model writes it.
fn limit_code(what: &str) -> &'static str {
    match what {
        "VPCs" => "VpcLimitExceeded",
        "IPv4 CIDRs" | "IPv6 CIDRs" => "CidrLimitExceeded",
        "subnets" => "SubnetLimitExceeded",
        "route tables" => "RouteTableLimitExceeded",
        "routes" => "RouteLimitExceeded",
        "security groups" => "SecurityGroupLimitExceeded",
        "security groups of an interface" => "SecurityGroupsPerInterfaceLimitExceeded",
        "network ACLs" => "NetworkAclLimitExceeded",
        "internet gateways" => "InternetGatewayLimitExceeded",
        "NAT gateways" => "NatGatewayLimitExceeded",
        "elastic addresses" => "AddressLimitExceeded",
        "network interfaces" | "interfaces" => "NetworkInterfaceLimitExceeded",
        "flow logs" => "FlowLogsLimitExceeded",
        "tags" => "TagLimitExceeded",
        "addresses" | "addresses of a family" => "PrivateIpAddressLimitExceeded",
        what if what.contains("rules") => "RulesPerSecurityGroupLimitExceeded",
        what if what.contains("entries") => "NetworkAclEntryLimitExceeded",
        what if what.contains("peering") => "VpcPeeringConnectionLimitExceeded",
        _ => "ResourceLimitExceeded",
    }
}
