from cloud import client, pages, refused, tagged, where

ec2 = client()

# Made, with tags.
made = ec2.create_vpc(
    CidrBlock="10.0.3.7/16", TagSpecifications=tagged("vpc", Name="one", team="net")
)["Vpc"]
vpc = made["VpcId"]
assert made["CidrBlock"] == "10.0.0.0/16" and not made["IsDefault"], made
assert made["OwnerId"] == "123456789012" and made["InstanceTenancy"] == "default", made
assert made["Ipv6CidrBlockAssociationSet"] == [], made
ec2.get_waiter("vpc_available").wait(VpcIds=[vpc])
[found] = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
assert {t["Key"]: t["Value"] for t in found["Tags"]} == {"Name": "one", "team": "net"}, found

# What can't be.
for block, code in [
    ("10.0.0.0/8", "InvalidVpc.Range"),
    ("10.0.0.0/29", "InvalidVpc.Range"),
    ("10.0.0.0", "InvalidParameterValue"),
    ("ten", "InvalidParameterValue"),
]:
    with refused(code, block):
        ec2.create_vpc(CidrBlock=block)
with refused("InvalidParameterValue"):
    ec2.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=tagged("subnet", a="b"))
with refused("InvalidParameterValue", "aws:"):
    ec2.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=tagged("vpc", **{"aws:x": "b"}))

# Ids.
with refused("InvalidVpcID.NotFound", "The vpc ID 'vpc-12345678' does not exist"):
    ec2.describe_vpcs(VpcIds=["vpc-12345678"])
with refused("InvalidVpcID.Malformed"):
    ec2.describe_vpcs(VpcIds=["subnet-12345678"])
with refused("InvalidVpcID.NotFound"):
    client(region="eu-west-1").describe_vpcs(VpcIds=[vpc])
with refused("InvalidVpcID.NotFound"):
    client(region="eu-west-1").delete_vpc(VpcId=vpc)

# Attributes.
def attribute(name):
    answer = ec2.describe_vpc_attribute(VpcId=vpc, Attribute=name)
    return answer[name[0].upper() + name[1:]]["Value"]


assert attribute("enableDnsSupport") and not attribute("enableDnsHostnames")
ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
assert attribute("enableDnsHostnames")
with refused("InvalidParameterCombination"):
    ec2.modify_vpc_attribute(
        VpcId=vpc, EnableDnsHostnames={"Value": True}, EnableDnsSupport={"Value": True}
    )
with refused("InvalidParameterValue"):
    ec2.describe_vpc_attribute(VpcId=vpc, Attribute="colour")
with refused("UnsupportedOperation"):
    ec2.modify_vpc_attribute(VpcId=vpc, EnableNetworkAddressUsageMetrics={"Value": True})

# Blocks.
more = ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.1.0.0/16")["CidrBlockAssociation"]
assert more["CidrBlock"] == "10.1.0.0/16", more
with refused("InvalidVpc.Range", "overlaps"):
    ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.1.128.0/17")
six = ec2.associate_vpc_cidr_block(VpcId=vpc, AmazonProvidedIpv6CidrBlock=True)
assert six["Ipv6CidrBlockAssociation"]["Ipv6CidrBlock"].endswith("/56"), six
[found] = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
blocks = {a["CidrBlock"]: a for a in found["CidrBlockAssociationSet"]}
assert set(blocks) == {"10.0.0.0/16", "10.1.0.0/16"}, found
assert blocks["10.1.0.0/16"]["AssociationId"] == more["AssociationId"], found
assert {a["CidrBlockState"]["State"] for a in blocks.values()} == {"associated"}, found
primary = blocks["10.0.0.0/16"]["AssociationId"]
with refused("OperationNotPermitted", "primary IPv4 CIDR block"):
    ec2.disassociate_vpc_cidr_block(AssociationId=primary)
with refused("InvalidVpcCidrBlockAssociationID.NotFound"):
    ec2.disassociate_vpc_cidr_block(AssociationId="vpc-cidr-assoc-12345678")
gone = ec2.disassociate_vpc_cidr_block(AssociationId=more["AssociationId"])
assert gone["CidrBlockAssociation"]["CidrBlockState"]["State"] == "disassociating", gone
six = six["Ipv6CidrBlockAssociation"]["AssociationId"]
ec2.disassociate_vpc_cidr_block(AssociationId=six)
[found] = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
assert len(found["CidrBlockAssociationSet"]) == 1, found
assert found["Ipv6CidrBlockAssociationSet"] == [], found

# Limits, filters and pages.
others = [ec2.create_vpc(CidrBlock=f"10.{n}.0.0/16")["Vpc"]["VpcId"] for n in (2, 3, 4)]
with refused("VpcLimitExceeded"):
    ec2.create_vpc(CidrBlock="10.5.0.0/16")


def ids(*given):
    return {v["VpcId"] for v in ec2.describe_vpcs(Filters=sum(given, []))["Vpcs"]}


assert ids(where("cidr", "10.0.0.0/16", "10.2.0.0/16")) == {vpc, others[0]}
assert ids(where("cidr", "10.?.0.0/16")) == {vpc, *others}
assert ids(where("tag:Name", "o*")) == ids(where("tag-key", "team")) == {vpc}
assert ids(where("tag:Name", "one"), where("cidr", "10.2.0.0/16")) == set()
assert len(ids(where("is-default", "true"))) == 1
assert ids(where("cidr-block-association.cidr-block", "10.3.0.0/16")) == {others[1]}
with refused("InvalidParameterValue", "The filter 'colour' is invalid"):
    ids(where("colour", "red"))
with refused("InvalidNextToken"):
    ec2.describe_vpcs(MaxResults=5, NextToken="nonsense")
for size in (4, 1001):
    with refused("InvalidParameterValue"):
        ec2.describe_vpcs(MaxResults=size)
assert [len(page) for page in pages(ec2.describe_vpcs, "Vpcs")] == [5]

# Deleted, but not with what is in it.
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
with refused("DependencyViolation", f"The vpc '{vpc}' has dependencies and cannot be deleted."):
    ec2.delete_vpc(VpcId=vpc)
ec2.delete_subnet(SubnetId=subnet)
for one in [vpc, *others]:
    ec2.delete_vpc(VpcId=one)
with refused("InvalidVpcID.NotFound"):
    ec2.delete_vpc(VpcId=vpc)
assert len(ec2.describe_vpcs()["Vpcs"]) == 1
