from cloud import client, pages, refused, tagged, where

ec2 = client()
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
other = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)


def table(id):
    return ec2.describe_route_tables(RouteTableIds=[id])["RouteTables"][0]


def routes(id):
    found = {}
    for route in table(id)["Routes"]:
        key = route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock")
        found[key] = route
    return found


# The main table came with the VPC.
[main] = ec2.describe_route_tables(
    Filters=where("vpc-id", vpc) + where("association.main", "true")
)["RouteTables"]
[own] = main["Associations"]
assert own["Main"] and own["AssociationState"] == {"State": "associated"}, main
assert {r["GatewayId"] for r in main["Routes"]} == {"local"} and len(main["Routes"]) == 2, main
assert main["PropagatingVgws"] == [], main

made = ec2.create_route_table(VpcId=vpc, TagSpecifications=tagged("route-table", Name="out"))
made = made["RouteTable"]
out = made["RouteTableId"]
assert made["Associations"] == [] and len(made["Routes"]) == 2, made

# Routes.
assert ec2.create_route(RouteTableId=out, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)[
    "Return"
]
found = routes(out)["0.0.0.0/0"]
assert found == {
    "DestinationCidrBlock": "0.0.0.0/0",
    "GatewayId": gateway,
    "Origin": "CreateRoute",
    "State": "active",
}, found
# The same again is no error; another target is.
ec2.create_route(RouteTableId=out, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
second = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
ec2.attach_internet_gateway(InternetGatewayId=second, VpcId=other)
with refused("InvalidParameterValue", "belong to different networks"):
    ec2.create_route(RouteTableId=out, DestinationCidrBlock="0.0.0.0/0", GatewayId=second)
egress = ec2.create_egress_only_internet_gateway(VpcId=vpc)["EgressOnlyInternetGateway"]
egress = egress["EgressOnlyInternetGatewayId"]
ec2.create_route(
    RouteTableId=out, DestinationIpv6CidrBlock="::/0", EgressOnlyInternetGatewayId=egress
)
assert routes(out)["::/0"]["EgressOnlyInternetGatewayId"] == egress
with refused("RouteAlreadyExists", "The route identified by ::/0 already exists."):
    ec2.create_route(RouteTableId=out, DestinationIpv6CidrBlock="::/0", GatewayId=gateway)
with refused("RouteAlreadyExists"):
    ec2.create_route(RouteTableId=out, DestinationCidrBlock="10.0.0.0/16", GatewayId=gateway)
for arguments, code in [
    (dict(DestinationCidrBlock="ten", GatewayId=gateway), "InvalidParameterValue"),
    (dict(DestinationCidrBlock="10.9.0.0/16"), "MissingParameter"),
    (dict(GatewayId=gateway), "MissingParameter"),
    (
        dict(DestinationCidrBlock="10.9.0.0/16", DestinationIpv6CidrBlock="::/0", GatewayId=gateway),
        "InvalidParameterCombination",
    ),
    (
        dict(DestinationCidrBlock="10.9.0.0/16", GatewayId="igw-12345678"),
        "InvalidGatewayID.NotFound",
    ),
    (
        dict(DestinationCidrBlock="10.9.0.0/16", NatGatewayId="nat-12345678"),
        "NatGatewayNotFound",
    ),
    (
        dict(DestinationCidrBlock="10.9.0.0/16", NetworkInterfaceId="eni-12345678"),
        "InvalidNetworkInterfaceID.NotFound",
    ),
    (dict(DestinationCidrBlock="10.9.0.0/16", InstanceId="i-12345678"), "UnsupportedOperation"),
    (dict(DestinationCidrBlock="10.9.0.0/16", GatewayId="vgw-12345678"), "UnsupportedOperation"),
]:
    with refused(code):
        ec2.create_route(RouteTableId=out, **arguments)
with refused("InvalidRouteTableID.NotFound"):
    ec2.create_route(RouteTableId="rtb-12345678", DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
with refused("InvalidParameterValue", "Use CreateRoute instead"):
    ec2.replace_route(RouteTableId=out, DestinationCidrBlock="10.9.0.0/16", GatewayId=gateway)
with refused("InvalidRoute.NotFound", "10.9.0.0/16"):
    ec2.delete_route(RouteTableId=out, DestinationCidrBlock="10.9.0.0/16")
with refused("InvalidParameterValue", "cannot remove local route"):
    ec2.delete_route(RouteTableId=out, DestinationCidrBlock="10.0.0.0/16")
ec2.replace_route(RouteTableId=out, DestinationIpv6CidrBlock="::/0", GatewayId=gateway)
assert routes(out)["::/0"]["GatewayId"] == gateway
ec2.delete_route(RouteTableId=out, DestinationIpv6CidrBlock="::/0")
assert "::/0" not in routes(out)

# Which subnets use it.
with refused("InvalidParameterValue", "belong to different networks"):
    there = ec2.create_route_table(VpcId=other)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=there, SubnetId=subnet)
first = ec2.associate_route_table(RouteTableId=out, SubnetId=subnet)["AssociationId"]
assert first == ec2.associate_route_table(RouteTableId=out, SubnetId=subnet)["AssociationId"]
inner = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
with refused("Resource.AlreadyAssociated"):
    ec2.associate_route_table(RouteTableId=inner, SubnetId=subnet)
[found] = ec2.describe_route_tables(Filters=where("association.subnet-id", subnet))["RouteTables"]
assert found["RouteTableId"] == out and found["Associations"][0]["SubnetId"] == subnet, found
with refused("DependencyViolation", "cannot be deleted"):
    ec2.delete_route_table(RouteTableId=out)
new = ec2.replace_route_table_association(AssociationId=first, RouteTableId=inner)
new = new["NewAssociationId"]
assert new != first and table(out)["Associations"] == [], new
with refused("InvalidAssociationID.NotFound", first):
    ec2.disassociate_route_table(AssociationId=first)
ec2.disassociate_route_table(AssociationId=new)
assert table(inner)["Associations"] == []

# Another main one.
with refused("InvalidParameterValue", "main route table"):
    ec2.disassociate_route_table(AssociationId=own["RouteTableAssociationId"])
ec2.replace_route_table_association(
    AssociationId=own["RouteTableAssociationId"], RouteTableId=inner
)
assert table(inner)["Associations"][0]["Main"] and table(main["RouteTableId"])["Associations"] == []
with refused("DependencyViolation"):
    ec2.delete_route_table(RouteTableId=inner)
ec2.delete_route_table(RouteTableId=main["RouteTableId"])


# A route whose gateway is gone is a blackhole.
ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
assert routes(out)["0.0.0.0/0"]["State"] == "blackhole"


def ids(*given):
    found = ec2.describe_route_tables(Filters=sum(given, []))["RouteTables"]
    return {t["RouteTableId"] for t in found}


assert ids(where("route.gateway-id", gateway)) == {out} == ids(where("tag:Name", "out"))
assert ids(where("route.state", "blackhole")) == {out}
assert ids(where("vpc-id", vpc)) == {out, inner}
for n in range(6):
    ec2.create_route_table(VpcId=vpc)
found = pages(ec2.describe_route_tables, "RouteTables", Filters=where("vpc-id", vpc))
assert [len(page) for page in found] == [5, 3], found
with refused("InvalidRouteTableId.Malformed"):
    ec2.describe_route_tables(RouteTableIds=["main"])
with refused("InvalidRouteTableID.NotFound"):
    client(region="eu-west-1").describe_route_tables(RouteTableIds=[out])
