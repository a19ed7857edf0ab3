"""Two zones, three tiers, a NAT gateway: built as on AWS, by high-level resources, and torn down."""

import os

import boto3
from cloud import client, tagged, where

ec2 = boto3.resource("ec2", endpoint_url=os.environ["AWS_ENDPOINT"])
calls = client()
zones = ["us-east-1a", "us-east-1b"]


def everything():
    listings = [
        (calls.describe_vpcs, "Vpcs"),
        (calls.describe_subnets, "Subnets"),
        (calls.describe_route_tables, "RouteTables"),
        (calls.describe_internet_gateways, "InternetGateways"),
        (calls.describe_nat_gateways, "NatGateways"),
        (calls.describe_addresses, "Addresses"),
        (calls.describe_security_groups, "SecurityGroups"),
        (calls.describe_network_acls, "NetworkAcls"),
        (calls.describe_network_interfaces, "NetworkInterfaces"),
        (calls.describe_tags, "Tags"),
    ]
    return {key: call()[key] for call, key in listings}


before = everything()
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc", Name="shop"))
vpc.wait_until_available()
vpc.modify_attribute(EnableDnsHostnames={"Value": True})
subnets = {}
for tier, name in enumerate(["front", "app", "data"]):
    for n, zone in enumerate(zones):
        block = f"10.0.{10 * tier + n}.0/24"
        subnet = vpc.create_subnet(CidrBlock=block, AvailabilityZone=zone)
        subnet.create_tags(Tags=[{"Key": "tier", "Value": name}])
        subnets[name, zone] = subnet
gateway = ec2.create_internet_gateway()
vpc.attach_internet_gateway(InternetGatewayId=gateway.id)
public = vpc.create_route_table()
public.create_route(DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway.id)
links = [public.associate_with_subnet(SubnetId=subnets["front", zone].id) for zone in zones]
address = ec2.VpcAddress(calls.allocate_address(Domain="vpc")["AllocationId"])
nat = calls.create_nat_gateway(
    SubnetId=subnets["front", zones[0]].id, AllocationId=address.allocation_id
)["NatGateway"]["NatGatewayId"]
calls.get_waiter("nat_gateway_available").wait(NatGatewayIds=[nat])
private = vpc.create_route_table()
private.create_route(DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
for tier in ("app", "data"):
    links += [private.associate_with_subnet(SubnetId=subnets[tier, zone].id) for zone in zones]
groups, behind = [], None
for name, port in [("front", 443), ("app", 8080), ("data", 5432)]:
    group = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc.id)
    peer = (
        {"UserIdGroupPairs": [{"GroupId": behind.id}]}
        if behind
        else {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    )
    group.authorize_ingress(
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peer}]
    )
    groups.append(group)
    behind = group
interfaces = [
    subnets[tier, zone].create_network_interface(Groups=[group.id], Description=tier)
    for tier, group in zip(["front", "app", "data"], groups)
    for zone in zones
]

assert len(list(vpc.subnets.all())) == 6
assert len(list(vpc.subnets.filter(Filters=where("tag:tier", "app")))) == 2
assert {r.nat_gateway_id for r in private.routes} >= {nat}
assert len(list(vpc.network_interfaces.all())) == 6
assert {g.group_name for g in vpc.security_groups.all()} == {"default", "front", "app", "data"}

for interface in interfaces:
    interface.delete()
for group in reversed(groups):
    group.delete()
calls.delete_nat_gateway(NatGatewayId=nat)
calls.get_waiter("nat_gateway_deleted").wait(NatGatewayIds=[nat])
address.release()
for link in links:
    link.delete()
for table in (public, private):
    table.delete()
for subnet in subnets.values():
    subnet.delete()
vpc.detach_internet_gateway(InternetGatewayId=gateway.id)
gateway.delete()
vpc.delete()
assert everything() == before
