from cloud import client, refused, tagged, where

ec2 = client()
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]

made = ec2.create_internet_gateway(TagSpecifications=tagged("internet-gateway", Name="out"))
made = made["InternetGateway"]
gateway = made["InternetGatewayId"]
assert made["Attachments"] == [] and made["OwnerId"] == "123456789012", made
ec2.get_waiter("internet_gateway_exists").wait(InternetGatewayIds=[gateway])

ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
with refused("Resource.AlreadyAssociated", f"resource {gateway} is already attached to network"):
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
second = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
with refused("InvalidParameterValue", "already has an internet gateway attached"):
    ec2.attach_internet_gateway(InternetGatewayId=second, VpcId=vpc)
[found] = ec2.describe_internet_gateways(Filters=where("attachment.vpc-id", vpc))[
    "InternetGateways"
]
assert found["InternetGatewayId"] == gateway, found
[found] = ec2.describe_internet_gateways(Filters=where("tag:Name", "out"))["InternetGateways"]
assert found["Attachments"] == [{"State": "available", "VpcId": vpc}], found
with refused("DependencyViolation"):
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
with refused("DependencyViolation"):
    ec2.delete_vpc(VpcId=vpc)
europe = client(region="eu-west-1")
for id in (gateway, second):
    with refused("InvalidInternetGatewayID.NotFound"):
        europe.describe_internet_gateways(InternetGatewayIds=[id])
with refused("InvalidInternetGatewayId.Malformed"):
    ec2.delete_internet_gateway(InternetGatewayId="out")
with refused("Gateway.NotAttached"):
    ec2.detach_internet_gateway(InternetGatewayId=second, VpcId=vpc)
ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
for id in (gateway, second):
    ec2.delete_internet_gateway(InternetGatewayId=id)
with refused("InvalidInternetGatewayID.NotFound"):
    ec2.delete_internet_gateway(InternetGatewayId=gateway)

# Egress-only ones. A client token makes one of two calls.
calls = [
    ec2.create_egress_only_internet_gateway(VpcId=vpc, ClientToken="once") for _ in range(2)
]
ids = {c["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"] for c in calls}
assert len(ids) == 1 and calls[0]["ClientToken"] == "once", calls
other = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
with refused("IdempotentParameterMismatch"):
    ec2.create_egress_only_internet_gateway(VpcId=other, ClientToken="once")
[egress] = ids
[found] = ec2.describe_egress_only_internet_gateways()["EgressOnlyInternetGateways"]
assert found["EgressOnlyInternetGatewayId"] == egress, found
assert found["Attachments"] == [{"State": "attached", "VpcId": vpc}], found
assert ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=egress)["ReturnCode"]
with refused("InvalidGatewayID.NotFound"):
    ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=egress)
for id in (vpc, other):
    ec2.delete_vpc(VpcId=id)
