from cloud import client, refused, where

ec2, sts = client(), client("sts")

me = sts.get_caller_identity()
assert me["Account"] == "123456789012", me
assert me["Arn"] == "arn:aws:iam::123456789012:user/AKIDEXAMPLE", me
assert me["ResponseMetadata"]["RequestId"], me

regions = ec2.describe_regions()["Regions"]
assert [r["RegionName"] for r in regions] == ["eu-west-1", "us-east-1"], regions
one = ec2.describe_regions(Filters=where("region-name", "us-*"))["Regions"]
assert [r["RegionName"] for r in one] == ["us-east-1"], one
with refused("InvalidParameterValue"):
    ec2.describe_regions(RegionNames=["mars-1"])

zones = ec2.describe_availability_zones()["AvailabilityZones"]
assert [z["ZoneName"] for z in zones] == ["us-east-1a", "us-east-1b", "us-east-1c"], zones
assert {z["State"] for z in zones} == {"available"} and zones[0]["Messages"] == [], zones
with refused("InvalidParameterValue", "Invalid availability zone: [eu-west-1a]"):
    ec2.describe_availability_zones(ZoneNames=["eu-west-1a"])
europe = client(region="eu-west-1").describe_availability_zones()["AvailabilityZones"]
assert [z["ZoneName"] for z in europe] == ["eu-west-1a", "eu-west-1b"], europe

# Each region is born with a default VPC.
for region, count in [("us-east-1", 3), ("eu-west-1", 2)]:
    there = client(region=region)
    [vpc] = there.describe_vpcs()["Vpcs"]
    assert vpc["IsDefault"] and vpc["CidrBlock"] == "172.31.0.0/16", vpc
    subnets = there.describe_subnets()["Subnets"]
    blocks = sorted((s["AvailabilityZone"], s["CidrBlock"]) for s in subnets)
    expected = [(f"{region}{'abc'[i]}", f"172.31.{16 * i}.0/20") for i in range(count)]
    assert blocks == expected, blocks
    assert all(s["DefaultForAz"] and s["MapPublicIpOnLaunch"] for s in subnets), subnets
    [gateway] = there.describe_internet_gateways()["InternetGateways"]
    assert gateway["Attachments"] == [{"VpcId": vpc["VpcId"], "State": "available"}], gateway
    attributes = there.describe_account_attributes()["AccountAttributes"]
    values = {a["AttributeName"]: a["AttributeValues"] for a in attributes}
    assert values["default-vpc"] == [{"AttributeValue": vpc["VpcId"]}], values
    with refused("DefaultVpcAlreadyExists"):
        there.create_default_vpc()
