from cloud import client, pages, refused, tagged, where

ec2 = client()
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
six = vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("/56", "/64")
vpc = vpc["VpcId"]
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", Ipv6CidrBlock=six)["Subnet"]
subnet = subnet["SubnetId"]
web = ec2.create_security_group(GroupName="web", Description="d", VpcId=vpc)["GroupId"]


def interface(id):
    return ec2.describe_network_interfaces(NetworkInterfaceIds=[id])["NetworkInterfaces"][0]


# Interfaces.
made = ec2.create_network_interface(
    SubnetId=subnet,
    Description="of a server",
    PrivateIpAddress="10.0.0.10",
    Groups=[web],
    TagSpecifications=tagged("network-interface", Name="front"),
)["NetworkInterface"]
eni = made["NetworkInterfaceId"]
assert made["PrivateIpAddress"] == "10.0.0.10" and made["Status"] == "available", made
assert made["Groups"] == [{"GroupId": web, "GroupName": "web"}], made
assert made["Description"] == "of a server" and made["SourceDestCheck"], made
assert made["VpcId"] == vpc and made["Ipv6Addresses"] == [], made
ec2.get_waiter("network_interface_available").wait(NetworkInterfaceIds=[eni])
for arguments, code in [
    (dict(PrivateIpAddress="10.0.1.10"), "InvalidParameterValue"),
    (dict(PrivateIpAddress="10.0.0.1"), "InvalidParameterValue"),
    (dict(PrivateIpAddress="10.0.0.10"), "InvalidIPAddress.InUse"),
    (dict(Groups=["sg-12345678"]), "InvalidGroup.NotFound"),
    (dict(SubnetId="subnet-12345678"), "InvalidSubnetID.NotFound"),
    (dict(Ipv4PrefixCount=1), "UnsupportedOperation"),
    (dict(InterfaceType="efa"), "UnsupportedOperation"),
]:
    with refused(code):
        ec2.create_network_interface(**{"SubnetId": subnet, **arguments})
ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=2)
ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=["10.0.0.20"])
own = [a["PrivateIpAddress"] for a in interface(eni)["PrivateIpAddresses"]]
assert own[0] == "10.0.0.10" and "10.0.0.20" in own and len(own) == 4, own
ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=["10.0.0.20"])
with refused("InvalidParameterValue"):
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=["10.0.0.20"])
given = ec2.assign_ipv6_addresses(NetworkInterfaceId=eni, Ipv6AddressCount=1)
[address] = given["AssignedIpv6Addresses"]
assert interface(eni)["Ipv6Addresses"] == [{"Ipv6Address": address}], given
ec2.unassign_ipv6_addresses(NetworkInterfaceId=eni, Ipv6Addresses=[address])
ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, SourceDestCheck={"Value": False})
ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Description={"Value": "changed"})
assert not interface(eni)["SourceDestCheck"] and interface(eni)["Description"] == "changed"
assert interface(eni)["TagSet"] == [{"Key": "Name", "Value": "front"}]


def ids(*given):
    found = ec2.describe_network_interfaces(Filters=sum(given, []))["NetworkInterfaces"]
    return {i["NetworkInterfaceId"] for i in found}


assert ids(where("group-id", web)) == {eni} == ids(where("private-ip-address", "10.0.0.10"))
assert ids(where("description", "chang*"), where("status", "available")) == {eni}
assert ids(where("status", "in-use")) == set()
with refused("DependencyViolation"):
    ec2.delete_security_group(GroupId=web)

# Elastic addresses.
with refused("UnsupportedOperation"):
    ec2.allocate_address(Domain="standard")
elastic = ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip", Name="e"))
allocation = elastic["AllocationId"]
assert elastic["PublicIp"].startswith("203.0.113."), elastic
with refused("Gateway.NotAttached"):
    ec2.associate_address(AllocationId=allocation, NetworkInterfaceId=eni)
gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
with refused("InvalidParameterValue", "is not assigned"):
    ec2.associate_address(
        AllocationId=allocation, NetworkInterfaceId=eni, PrivateIpAddress="10.0.0.99"
    )
association = ec2.associate_address(AllocationId=allocation, NetworkInterfaceId=eni)
association = association["AssociationId"]
[found] = ec2.describe_addresses(Filters=where("network-interface-id", eni))["Addresses"]
assert found["AssociationId"] == association and found["PrivateIpAddress"] == "10.0.0.10", found
assert interface(eni)["Association"]["PublicIp"] == elastic["PublicIp"], interface(eni)
[found] = ec2.describe_addresses(PublicIps=[elastic["PublicIp"]])["Addresses"]
assert found["AllocationId"] == allocation and found["Tags"] == [{"Key": "Name", "Value": "e"}]
with refused("InvalidAddress.NotFound"):
    ec2.describe_addresses(PublicIps=["203.0.113.200"])
with refused("InvalidAllocationID.NotFound"):
    ec2.describe_addresses(AllocationIds=["eipalloc-12345678"])
second = ec2.allocate_address()["AllocationId"]
with refused("Resource.AlreadyAssociated"):
    ec2.associate_address(
        AllocationId=second, NetworkInterfaceId=eni, AllowReassociation=False
    )
with refused("InvalidIPAddress.InUse", "is in use"):
    ec2.release_address(AllocationId=allocation)
with refused("DependencyViolation", "mapped public address"):
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
ec2.disassociate_address(AssociationId=association)
with refused("InvalidAssociationID.NotFound", association):
    ec2.disassociate_address(AssociationId=association)

# NAT gateways.
nat = ec2.create_nat_gateway(
    SubnetId=subnet, AllocationId=allocation, TagSpecifications=tagged("natgateway", Name="n")
)["NatGateway"]
id = nat["NatGatewayId"]
ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[id])
[place] = nat["NatGatewayAddresses"]
assert place["PublicIp"] == elastic["PublicIp"] and place["AllocationId"] == allocation, nat
assert nat["ConnectivityType"] == "public" and nat["VpcId"] == vpc, nat
with refused("Resource.AlreadyAssociated"):
    ec2.create_nat_gateway(SubnetId=subnet, AllocationId=allocation)
with refused("UnsupportedOperation"):
    ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private", AllocationId=second)
with refused("InvalidIPAddress.InUse"):
    ec2.release_address(AllocationId=allocation)
with refused("DependencyViolation"):
    ec2.delete_subnet(SubnetId=subnet)
[found] = ec2.describe_nat_gateways(Filters=where("vpc-id", vpc))["NatGateways"]
assert found["NatGatewayId"] == id, found
assert ec2.delete_nat_gateway(NatGatewayId=id)["NatGatewayId"] == id
ec2.get_waiter("nat_gateway_deleted").wait(NatGatewayIds=[id])
with refused("NatGatewayNotFound", id):
    ec2.delete_nat_gateway(NatGatewayId=id)
for allocated in (allocation, second):
    ec2.release_address(AllocationId=allocated)
with refused("InvalidAllocationID.NotFound"):
    ec2.release_address(AllocationId=allocation)

many = [ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"] for _ in range(6)]
found = pages(ec2.describe_network_interfaces, "NetworkInterfaces")
assert [len(page) for page in found] == [5, 2], found
for one in [eni, *(m["NetworkInterfaceId"] for m in many)]:
    ec2.delete_network_interface(NetworkInterfaceId=one)
with refused("InvalidNetworkInterfaceID.NotFound"):
    ec2.delete_network_interface(NetworkInterfaceId=eni)
