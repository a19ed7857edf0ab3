from cloud import client, refused, tagged, where

ec2, europe = client(), client(region="eu-west-1")
here = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
there = europe.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
third = ec2.create_vpc(CidrBlock="10.2.0.0/16")["Vpc"]["VpcId"]

with refused("InvalidVpcID.NotFound"):
    ec2.create_vpc_peering_connection(VpcId=here, PeerVpcId=there)
with refused("UnsupportedOperation"):
    ec2.create_vpc_peering_connection(VpcId=here, PeerVpcId=third, PeerOwnerId="999999999999")
made = ec2.create_vpc_peering_connection(
    VpcId=here,
    PeerVpcId=there,
    PeerRegion="eu-west-1",
    TagSpecifications=tagged("vpc-peering-connection", Name="across"),
)["VpcPeeringConnection"]
id = made["VpcPeeringConnectionId"]
assert made["Status"]["Code"] == "pending-acceptance", made
assert made["RequesterVpcInfo"]["CidrBlock"] == "10.0.0.0/16", made
assert made["AccepterVpcInfo"]["Region"] == "eu-west-1", made
ec2.get_waiter("vpc_peering_connection_exists").wait(VpcPeeringConnectionIds=[id])
with refused("VpcPeeringConnectionAlreadyExists"):
    ec2.create_vpc_peering_connection(VpcId=here, PeerVpcId=there, PeerRegion="eu-west-1")
with refused("OperationNotPermitted"):
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=id)
accepted = europe.accept_vpc_peering_connection(VpcPeeringConnectionId=id)["VpcPeeringConnection"]
assert accepted["Status"] == {"Code": "active", "Message": "Active"}, accepted
with refused("InvalidStateTransition"):
    europe.reject_vpc_peering_connection(VpcPeeringConnectionId=id)
for region in (ec2, europe):
    [found] = region.describe_vpc_peering_connections(
        Filters=where("status-code", "active") + where("tag:Name", "across")
    )["VpcPeeringConnections"]
    assert found["VpcPeeringConnectionId"] == id, found

# A route leads to it.
[main] = ec2.describe_route_tables(Filters=where("vpc-id", here))["RouteTables"]
route = dict(RouteTableId=main["RouteTableId"], DestinationCidrBlock="10.1.0.0/16")
ec2.create_route(**route, VpcPeeringConnectionId=id)


def state():
    [table] = ec2.describe_route_tables(Filters=where("vpc-id", here))["RouteTables"]
    [found] = [r for r in table["Routes"] if r.get("VpcPeeringConnectionId") == id]
    return found["State"]


assert state() == "active"
options = ec2.modify_vpc_peering_connection_options(
    VpcPeeringConnectionId=id,
    RequesterPeeringConnectionOptions={"AllowDnsResolutionFromRemoteVpc": False},
)
assert options["RequesterPeeringConnectionOptions"]["AllowDnsResolutionFromRemoteVpc"] is False
with refused("UnsupportedOperation"):
    ec2.modify_vpc_peering_connection_options(
        VpcPeeringConnectionId=id,
        RequesterPeeringConnectionOptions={"AllowDnsResolutionFromRemoteVpc": True},
    )
assert ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=id)["Return"]
assert state() == "blackhole"
ec2.get_waiter("vpc_peering_connection_deleted").wait(VpcPeeringConnectionIds=[id])
with refused("InvalidVpcPeeringConnectionID.NotFound"):
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=id)

# Rejected, it stays, and another may be asked for.
second = ec2.create_vpc_peering_connection(VpcId=here, PeerVpcId=third)["VpcPeeringConnection"]
second = second["VpcPeeringConnectionId"]
ec2.reject_vpc_peering_connection(VpcPeeringConnectionId=second)
[found] = ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[second])[
    "VpcPeeringConnections"
]
assert found["Status"]["Code"] == "rejected", found
with refused("InvalidParameterValue"):
    ec2.create_vpc_peering_connection(VpcId=here, PeerVpcId=here)
with refused("InvalidVpcPeeringConnectionId.Malformed"):
    ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=["across"])
