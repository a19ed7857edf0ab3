from cloud import client, pages, refused, tagged, where

ec2 = client()
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]


def make(name, **more):
    answer = ec2.create_security_group(GroupName=name, Description=f"for {name}", VpcId=vpc, **more)
    return answer["GroupId"]


def group(id):
    return ec2.describe_security_groups(GroupIds=[id])["SecurityGroups"][0]


def tcp(port, **peers):
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peers}


ANY = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}

# The default one.
[default] = ec2.describe_security_groups(
    Filters=where("vpc-id", vpc) + where("group-name", "default")
)["SecurityGroups"]
[itself] = default["IpPermissions"]
assert itself["IpProtocol"] == "-1" and "FromPort" not in itself, default
assert [g["GroupId"] for g in itself["UserIdGroupPairs"]] == [default["GroupId"]], default
with refused("CannotDelete", 'name: "default"'):
    ec2.delete_security_group(GroupId=default["GroupId"])

web = make("web", TagSpecifications=tagged("security-group", Name="w"))
ec2.get_waiter("security_group_exists").wait(GroupIds=[web])
found = group(web)
assert found["IpPermissions"] == [] and found["Description"] == "for web", found
[out] = found["IpPermissionsEgress"]
assert out["IpProtocol"] == "-1" and out["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}], out
assert out["Ipv6Ranges"] == [] and out["PrefixListIds"] == [], out
with refused("InvalidGroup.Duplicate", f"The security group 'web' already exists for VPC '{vpc}'"):
    make("web")
for name in ("default", "sg-web", "web\u00e9", "x" * 256):
    with refused("InvalidParameterValue"):
        make(name)
with refused("MissingParameter", "GroupDescription"):
    ec2.create_security_group(GroupName="bare", VpcId=vpc)

# Rules by permissions.
app = make("app")
answer = ec2.authorize_security_group_ingress(
    GroupId=web,
    IpPermissions=[
        tcp(
            80,
            IpRanges=[
                {"CidrIp": "0.0.0.0/0", "Description": "all"},
                {"CidrIp": "10.9.0.0/16"},
            ],
            Ipv6Ranges=[{"CidrIpv6": "::/0"}],
        ),
        tcp(443, UserIdGroupPairs=[{"GroupId": app, "Description": "the app"}]),
        {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, **ANY},
    ],
)
rules = answer["SecurityGroupRules"]
assert answer["Return"] and len(rules) == 5, answer
assert all(not r["IsEgress"] and r["GroupId"] == web for r in rules), rules
found = {p.get("FromPort"): p for p in group(web)["IpPermissions"]}
assert len(found[80]["IpRanges"]) == 2 and found[80]["Ipv6Ranges"] == [{"CidrIpv6": "::/0"}], found
assert {"CidrIp": "0.0.0.0/0", "Description": "all"} in found[80]["IpRanges"], found
assert found[443]["UserIdGroupPairs"][0]["GroupId"] == app, found
assert found[8]["IpProtocol"] == "icmp" and found[8]["ToPort"] == -1, found
duplicate = 'the specified rule "peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW" already'
with refused("InvalidPermission.Duplicate", duplicate):
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[tcp(80, **ANY)])
with refused("InvalidPermission.Duplicate"):
    ec2.authorize_security_group_ingress(
        GroupId=web, IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="0.0.0.0/0"
    )
for permission, code in [
    (tcp(81), "MissingParameter"),
    (tcp(81, IpRanges=[{"CidrIp": "ten"}]), "InvalidParameterValue"),
    (tcp(81, IpRanges=[{"CidrIp": "::/0"}]), "InvalidParameterValue"),
    ({"IpProtocol": "tcp", **ANY}, "InvalidParameterValue"),
    ({"IpProtocol": "tcp", "FromPort": 9, "ToPort": 8, **ANY}, "InvalidParameterValue"),
    ({"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65536, **ANY}, "InvalidParameterValue"),
    ({"IpProtocol": "carrier-pigeon", **ANY}, "InvalidParameterValue"),
    (tcp(81, UserIdGroupPairs=[{"GroupId": "sg-12345678"}]), "InvalidGroup.NotFound"),
    (tcp(81, PrefixListIds=[{"PrefixListId": "pl-12345678"}]), "InvalidPrefixListID.NotFound"),
]:
    with refused(code):
        ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[permission])
with refused("InvalidGroup.NotFound"):
    ec2.authorize_security_group_ingress(GroupId="sg-12345678", IpPermissions=[tcp(80, **ANY)])

# Rules by their ids.
listed = ec2.describe_security_group_rules(Filters=where("group-id", web))["SecurityGroupRules"]
assert len(listed) == 6 and sum(r["IsEgress"] for r in listed) == 1, listed
one = next(r for r in listed if r.get("CidrIpv4") == "10.9.0.0/16")
ec2.modify_security_group_rules(
    GroupId=web,
    SecurityGroupRules=[
        {
            "SecurityGroupRuleId": one["SecurityGroupRuleId"],
            "SecurityGroupRule": {
                "IpProtocol": "udp",
                "FromPort": 53,
                "ToPort": 54,
                "CidrIpv4": "10.8.0.0/16",
                "Description": "names",
            },
        }
    ],
)
[now] = ec2.describe_security_group_rules(SecurityGroupRuleIds=[one["SecurityGroupRuleId"]])[
    "SecurityGroupRules"
]
assert (now["IpProtocol"], now["FromPort"], now["ToPort"]) == ("udp", 53, 54), now
assert now["CidrIpv4"] == "10.8.0.0/16" and now["Description"] == "names", now
with refused("InvalidSecurityGroupRuleId.NotFound"):
    ec2.revoke_security_group_ingress(GroupId=app, SecurityGroupRuleIds=[one["SecurityGroupRuleId"]])
with refused("InvalidSecurityGroupRuleId.Malformed"):
    ec2.describe_security_group_rules(SecurityGroupRuleIds=["one"])
gone = ec2.revoke_security_group_ingress(
    GroupId=web, SecurityGroupRuleIds=[one["SecurityGroupRuleId"]]
)
# An older boto3 doesn't know the field, and says so by leaving it out.
assert len(gone.get("RevokedSecurityGroupRules", [one])) == 1, gone
with refused("InvalidSecurityGroupRuleId.NotFound"):
    ec2.describe_security_group_rules(SecurityGroupRuleIds=[one["SecurityGroupRuleId"]])
with refused("InvalidPermission.NotFound"):
    ec2.revoke_security_group_ingress(GroupId=web, IpPermissions=[tcp(81, **ANY)])
ec2.revoke_security_group_ingress(GroupId=web, IpPermissions=[tcp(80, **ANY)])
ec2.revoke_security_group_egress(GroupId=web, IpPermissions=[{"IpProtocol": "-1", **ANY}])
assert group(web)["IpPermissionsEgress"] == []
ec2.authorize_security_group_egress(GroupId=web, IpPermissions=[tcp(5432, **ANY)])
assert group(web)["IpPermissionsEgress"][0]["FromPort"] == 5432

# A group that is named stays.
with refused("DependencyViolation", f"resource {app} has a dependent object"):
    ec2.delete_security_group(GroupId=app)


def ids(*given):
    found = ec2.describe_security_groups(Filters=sum(given, []))["SecurityGroups"]
    return {g["GroupId"] for g in found}


assert ids(where("ip-permission.group-id", app)) == {web}
assert ids(where("tag:Name", "w")) == {web} == ids(where("egress.ip-permission.to-port", "5432"))
assert ids(where("vpc-id", vpc), where("description", "for *")) == {web, app}
many = [make(f"g{n}") for n in range(9)]
found = pages(ec2.describe_security_groups, "SecurityGroups", Filters=where("vpc-id", vpc))
assert [len(page) for page in found] == [5, 5, 2], found
found = pages(ec2.describe_security_group_rules, "SecurityGroupRules")
assert len({r["SecurityGroupRuleId"] for page in found for r in page}) == sum(map(len, found)) > 12

# Without a VPC, the default one is meant, and names are its.
named = ec2.create_security_group(GroupName="mine", Description="d")["GroupId"]
[found] = ec2.describe_security_groups(GroupNames=["mine"])["SecurityGroups"]
assert found["GroupId"] == named, found
with refused("InvalidGroup.NotFound", "The security group 'web' does not exist in default VPC"):
    ec2.describe_security_groups(GroupNames=["web"])
ec2.delete_security_group(GroupName="mine")
for id in [web, app, *many]:
    ec2.delete_security_group(GroupId=id)
