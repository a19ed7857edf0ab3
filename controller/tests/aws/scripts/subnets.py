from cloud import client, pages, refused, tagged, where

ec2 = client()
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]

made = ec2.create_subnet(
    VpcId=vpc,
    CidrBlock="10.0.1.0/24",
    AvailabilityZone="us-east-1b",
    TagSpecifications=tagged("subnet", Name="front"),
)["Subnet"]
front = made["SubnetId"]
assert made["AvailableIpAddressCount"] == 251, made
assert made["AvailabilityZone"] == "us-east-1b" and not made["MapPublicIpOnLaunch"], made
assert made["SubnetArn"] == f"arn:aws:ec2:us-east-1:123456789012:subnet/{front}", made
ec2.get_waiter("subnet_available").wait(SubnetIds=[front])

for block, code in [
    ("10.1.0.0/24", "InvalidSubnet.Range"),
    ("10.0.0.0/29", "InvalidSubnet.Range"),
    ("10.0.1.128/25", "InvalidSubnet.Conflict"),
    ("ten", "InvalidParameterValue"),
]:
    with refused(code, block):
        ec2.create_subnet(VpcId=vpc, CidrBlock=block)
with refused("InvalidParameterValue", "us-east-1a, us-east-1b, us-east-1c"):
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.2.0/24", AvailabilityZone="eu-west-1a")
with refused("InvalidVpcID.NotFound"):
    ec2.create_subnet(VpcId="vpc-12345678", CidrBlock="10.0.2.0/24")
with refused("InvalidSubnetID.NotFound"):
    client(region="eu-west-1").describe_subnets(SubnetIds=[front])
with refused("InvalidSubnetID.Malformed"):
    ec2.describe_subnets(SubnetIds=["front"])

# Without a zone it is spread.
zones = set()
for n in (2, 3):
    other = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]
    zones.add(other["AvailabilityZone"])
assert zones == {"us-east-1a", "us-east-1c"}, zones

# Attributes.
ec2.modify_subnet_attribute(SubnetId=front, MapPublicIpOnLaunch={"Value": True})
[found] = ec2.describe_subnets(SubnetIds=[front])["Subnets"]
assert found["MapPublicIpOnLaunch"], found
ec2.modify_subnet_attribute(SubnetId=front, AssignIpv6AddressOnCreation={"Value": False})
with refused("UnsupportedOperation"):
    ec2.modify_subnet_attribute(SubnetId=front, EnableDns64={"Value": True})

# IPv6.
[found] = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
pool = found["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
block = pool.replace("/56", "/64")
six = ec2.associate_subnet_cidr_block(SubnetId=front, Ipv6CidrBlock=block)
six = six["Ipv6CidrBlockAssociation"]
with refused("InvalidSubnet.Conflict"):
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.9.0/24", Ipv6CidrBlock=block)
with refused("InvalidSubnet.Range"):
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.9.0/24", Ipv6CidrBlock="fd00:9::/64")
[found] = ec2.describe_subnets(SubnetIds=[front])["Subnets"]
assert found["Ipv6CidrBlockAssociationSet"][0]["AssociationId"] == six["AssociationId"], found
ec2.disassociate_subnet_cidr_block(AssociationId=six["AssociationId"])
with refused("InvalidSubnetCidrBlockAssociationID.NotFound"):
    ec2.disassociate_subnet_cidr_block(AssociationId=six["AssociationId"])

# Filters and pages.
def ids(*given):
    return {s["SubnetId"] for s in ec2.describe_subnets(Filters=sum(given, []))["Subnets"]}


assert ids(where("vpc-id", vpc), where("availability-zone", "us-east-1b")) == {front}
assert ids(where("tag:Name", "front")) == {front}
assert ids(where("default-for-az", "true"), where("vpc-id", vpc)) == set()
assert len(ids(where("vpc-id", vpc))) == 3 and len(ids()) == 6
found = pages(ec2.describe_subnets, "Subnets")
assert [len(page) for page in found] == [5, 1], found
assert len({s["SubnetId"] for page in found for s in page}) == 6
first = ec2.describe_subnets(MaxResults=5)["NextToken"]
with refused("InvalidNextToken"):
    ec2.describe_subnets(MaxResults=5, NextToken=first, Filters=where("vpc-id", vpc))

# Default subnets come back.
[default] = ec2.describe_subnets(
    Filters=where("default-for-az", "true") + where("availability-zone", "us-east-1a")
)["Subnets"]
with refused("DefaultSubnetAlreadyExistsInAvailabilityZone"):
    ec2.create_default_subnet(AvailabilityZone="us-east-1a")
ec2.delete_subnet(SubnetId=default["SubnetId"])
again = ec2.create_default_subnet(AvailabilityZone="us-east-1a")["Subnet"]
assert again["CidrBlock"] == default["CidrBlock"] and again["DefaultForAz"], again

ec2.delete_subnet(SubnetId=front)
with refused("InvalidSubnetID.NotFound"):
    ec2.delete_subnet(SubnetId=front)
