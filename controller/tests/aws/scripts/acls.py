from cloud import client, refused, tagged, where

ec2 = client()
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]


def acl(id):
    return ec2.describe_network_acls(NetworkAclIds=[id])["NetworkAcls"][0]


def entries(id, egress=False):
    return {e["RuleNumber"]: e for e in acl(id)["Entries"] if e["Egress"] == egress}


[default] = ec2.describe_network_acls(Filters=where("vpc-id", vpc))["NetworkAcls"]
assert default["IsDefault"], default
[association] = default["Associations"]
assert association["SubnetId"] == subnet, default
own = entries(default["NetworkAclId"])
assert {n: e["RuleAction"] for n, e in own.items()} == {100: "allow", 32767: "deny"}, own
assert own[100]["Protocol"] == "-1" and own[100]["CidrBlock"] == "0.0.0.0/0", own
with refused("InvalidParameterValue", "default"):
    ec2.delete_network_acl(NetworkAclId=default["NetworkAclId"])

made = ec2.create_network_acl(VpcId=vpc, TagSpecifications=tagged("network-acl", Name="a"))
made = made["NetworkAcl"]
id = made["NetworkAclId"]
assert not made["IsDefault"] and made["Associations"] == [], made
assert {e["RuleNumber"] for e in made["Entries"]} == {32767}, made

web = dict(
    NetworkAclId=id,
    RuleNumber=110,
    Egress=False,
    Protocol="6",
    RuleAction="allow",
    CidrBlock="0.0.0.0/0",
    PortRange={"From": 80, "To": 81},
)
ec2.create_network_acl_entry(**web)
entry = entries(id)[110]
assert entry["PortRange"] == {"From": 80, "To": 81} and entry["Protocol"] == "6", entry
assert 110 not in entries(id, egress=True)
with refused("NetworkAclEntryAlreadyExists", "identified by 110 already exists"):
    ec2.create_network_acl_entry(**web)
ec2.replace_network_acl_entry(**{**web, "RuleAction": "deny"})
assert entries(id)[110]["RuleAction"] == "deny"
with refused("InvalidNetworkAclEntry.NotFound", "identified by 111 does not exist"):
    ec2.replace_network_acl_entry(**{**web, "RuleNumber": 111})
ping = {**web, "RuleNumber": 120, "Protocol": "icmp", "IcmpTypeCode": {"Type": 8, "Code": -1}}
del ping["PortRange"]
ec2.create_network_acl_entry(**ping)
assert entries(id)[120]["IcmpTypeCode"] == {"Type": 8, "Code": -1}, entries(id)
for change, code in [
    ({"RuleNumber": 0}, "InvalidParameterValue"),
    ({"RuleNumber": 32767}, "InvalidParameterValue"),
    ({"RuleAction": "perhaps"}, "InvalidParameterValue"),
    ({"CidrBlock": "ten"}, "InvalidParameterValue"),
    ({"Ipv6CidrBlock": "::/0"}, "InvalidParameterCombination"),
    ({"Protocol": "pigeon"}, "InvalidParameterValue"),
    ({"PortRange": {"From": 2, "To": 1}}, "InvalidParameterValue"),
    ({"NetworkAclId": "acl-12345678"}, "InvalidNetworkAclID.NotFound"),
]:
    with refused(code):
        ec2.create_network_acl_entry(**{**web, "RuleNumber": 130, **change})
with refused("InvalidNetworkAclEntry.NotFound"):
    ec2.delete_network_acl_entry(NetworkAclId=id, RuleNumber=110, Egress=True)
ec2.delete_network_acl_entry(NetworkAclId=id, RuleNumber=110, Egress=False)
assert 110 not in entries(id)

new = ec2.replace_network_acl_association(
    AssociationId=association["NetworkAclAssociationId"], NetworkAclId=id
)["NewAssociationId"]
assert acl(id)["Associations"][0]["NetworkAclAssociationId"] == new
assert acl(default["NetworkAclId"])["Associations"] == []
with refused("InvalidAssociationID.NotFound"):
    ec2.replace_network_acl_association(
        AssociationId=association["NetworkAclAssociationId"], NetworkAclId=id
    )
with refused("DependencyViolation"):
    ec2.delete_network_acl(NetworkAclId=id)
[found] = ec2.describe_network_acls(Filters=where("association.subnet-id", subnet))["NetworkAcls"]
assert found["NetworkAclId"] == id
back = ec2.replace_network_acl_association(AssociationId=new, NetworkAclId=default["NetworkAclId"])
assert back["NewAssociationId"] == association["NetworkAclAssociationId"], back
ec2.delete_network_acl(NetworkAclId=id)
with refused("InvalidNetworkAclID.NotFound"):
    ec2.delete_network_acl(NetworkAclId=id)
