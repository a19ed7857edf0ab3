from cloud import client, pages, refused, tags, where

ec2 = client()
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]


def found(*given):
    rows = ec2.describe_tags(Filters=sum(given, []))["Tags"]
    return {(r["ResourceId"], r["ResourceType"], r["Key"], r["Value"]) for r in rows}


ec2.create_tags(Resources=[vpc, gateway], Tags=tags(Name="a", team="net", empty=""))
assert len(found()) == 6
assert found(where("resource-id", vpc), where("key", "Name")) == {(vpc, "vpc", "Name", "a")}
assert found(where("resource-type", "internet-gateway"), where("value", "n*")) == {
    (gateway, "internet-gateway", "team", "net")
}
assert len(found(where("tag:team", "net"))) == 2
ec2.create_tags(Resources=[vpc], Tags=tags(Name="b"))
assert found(where("key", "Name"), where("value", "b")) == {(vpc, "vpc", "Name", "b")}

# A tag with another value stays.
ec2.delete_tags(Resources=[vpc], Tags=tags(Name="a"))
assert len(found(where("resource-id", vpc))) == 3
ec2.delete_tags(Resources=[vpc], Tags=[{"Key": "Name"}, {"Key": "nothing"}])
assert len(found(where("resource-id", vpc))) == 2
ec2.delete_tags(Resources=[vpc])
assert found(where("resource-id", vpc)) == set()

many = tags(**{f"k{n}": str(n) for n in range(50)})
ec2.create_tags(Resources=[vpc], Tags=many)
with refused("TagLimitExceeded"):
    ec2.create_tags(Resources=[vpc], Tags=tags(another="one"))
rows = pages(ec2.describe_tags, "Tags", Filters=where("resource-id", vpc))
assert len(rows) == 10 and len({r["Key"] for page in rows for r in page}) == 50

for resources, given, code in [
    (["nonsense"], tags(a="b"), "InvalidID"),
    (["vpc-00000000000000001"], tags(a="b"), "InvalidVpcID.NotFound"),
    ([gateway], tags(**{"aws:a": "b"}), "InvalidParameterValue"),
    ([gateway], tags(**{"k" * 129: "b"}), "InvalidParameterValue"),
    ([gateway], tags(a="b" * 257), "InvalidParameterValue"),
    ([gateway], tags(a="b") * 2, "InvalidParameterValue"),
    ([vpc, "vpc-00000000000000001"], tags(k1="changed"), "InvalidVpcID.NotFound"),
]:
    with refused(code):
        ec2.create_tags(Resources=resources, Tags=given)
assert len(found(where("value", "changed"))) == 0
with refused("InvalidVpcID.NotFound"):
    client(region="eu-west-1").create_tags(Resources=[vpc], Tags=tags(a="b"))
