from cloud import client, refused

ec2, sts = client(), client("sts")


def with_keys(service, key, secret):
    return client(service, aws_access_key_id=key, aws_secret_access_key=secret)


# Keys: each service has its own words.
other = with_keys("ec2", "AKIDEXAMPLE", "the-secret-of-another")
with refused("AuthFailure", "not able to validate", status=401):
    other.describe_vpcs()
with refused("AuthFailure", status=401):
    with_keys("ec2", "AKIDNOBODY", "whatever-it-is").describe_vpcs()
with refused("SignatureDoesNotMatch", status=403):
    with_keys("sts", "AKIDEXAMPLE", "the-secret-of-another").get_caller_identity()
with refused("InvalidClientTokenId", status=403):
    with_keys("sts", "AKIDNOBODY", "whatever-it-is").get_caller_identity()
with refused("AuthFailure", "valid region, not 'mars-1'"):
    client(region="mars-1").describe_vpcs()

# What Weft lacks, and what nobody has.
with refused("InvalidAction", "RunScheduledInstances"):
    ec2.run_scheduled_instances(
        ScheduledInstanceId="sci-1", LaunchSpecification={"ImageId": "ami-1"}
    )
with refused("UnsupportedOperation"):
    sts.get_session_token()
with refused("UnsupportedOperation", "InstanceTenancy"):
    ec2.create_vpc(CidrBlock="10.0.0.0/16", InstanceTenancy="dedicated")
with refused("UnsupportedOperation", "Ipv4IpamPoolId"):
    ec2.create_vpc(CidrBlock="10.0.0.0/16", Ipv4IpamPoolId="ipam-pool-1")


def also(**extra):
    """Parameters that the client itself wouldn't send."""
    there = client()
    there.meta.events.register(
        "before-call.ec2.*", lambda params, **_: params["body"].update(extra)
    )
    return there


with refused("UnknownParameter", "The parameter Colour is not recognized"):
    also(Colour="red").describe_vpcs()
with refused("UnknownParameter", "Filter.1.Colour"):
    also(**{"Filter.1.Colour": "red"}).describe_vpcs()
with refused("InvalidParameterValue", "DryRun"):
    also(DryRun="perhaps").describe_vpcs()
with refused("InvalidAction"):
    also(Version="1999-01-01").describe_vpcs()
with refused("MissingParameter", "CidrBlock"):
    ec2.create_vpc()

# Text that would break what it is put in.
name = "</name><evil a='1'>&amp;\"é"
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
ec2.create_tags(Resources=[vpc], Tags=[{"Key": "<k>", "Value": name}])
[found] = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
assert found["Tags"] == [{"Key": "<k>", "Value": name}], found
with refused("InvalidParameterValue", "characters that are not allowed"):
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "k", "Value": "a\x1b[31mb"}])
[found] = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
assert len(found["Tags"]) == 1, found

# A dry run says what would become of it, and changes nothing.
before = ec2.describe_vpcs()["Vpcs"]
with refused("DryRunOperation", "Request would have succeeded", status=412):
    ec2.create_vpc(CidrBlock="10.1.0.0/16", DryRun=True)
with refused("InvalidVpc.Range"):
    ec2.create_vpc(CidrBlock="10.0.0.0/8", DryRun=True)
with refused("DryRunOperation", status=412):
    ec2.delete_vpc(VpcId=vpc, DryRun=True)
with refused("DryRunOperation", status=412):
    ec2.describe_vpcs(DryRun=True)
assert ec2.describe_vpcs()["Vpcs"] == before

# An SDK's repetition of a call gets the first answer; two calls are two.
twice = client()
twice.meta.events.register(
    "before-send.ec2.*",
    lambda request, **_: request.headers.__setitem__("amz-sdk-invocation-id", "the-same"),
)
ids = {twice.create_vpc(CidrBlock="10.2.0.0/16")["Vpc"]["VpcId"] for _ in range(3)}
assert len(ids) == 1, ids
ids = {ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"] for _ in range(3)}
assert len(ids) == 3, ids
