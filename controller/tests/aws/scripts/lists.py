from cloud import client, pages, refused, tagged, where

ec2 = client()
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]

# Prefix lists.
made = ec2.create_managed_prefix_list(
    PrefixListName="offices",
    MaxEntries=10,
    AddressFamily="IPv4",
    Entries=[{"Cidr": "192.0.2.0/24", "Description": "one"}],
    TagSpecifications=tagged("prefix-list", team="net"),
)["PrefixList"]
id = made["PrefixListId"]
assert made["PrefixListName"] == "offices" and made["MaxEntries"] == 10, made
with refused("PrefixListVersionMismatch"):
    ec2.modify_managed_prefix_list(PrefixListId=id, CurrentVersion=made["Version"] + 1)
changed = ec2.modify_managed_prefix_list(
    PrefixListId=id,
    CurrentVersion=made["Version"],
    PrefixListName="places",
    AddEntries=[{"Cidr": f"198.51.100.{n}/32"} for n in range(6)],
    RemoveEntries=[{"Cidr": "192.0.2.0/24"}],
)["PrefixList"]
assert changed["Version"] > made["Version"] and changed["PrefixListName"] == "places", changed
found = pages(ec2.get_managed_prefix_list_entries, "Entries", PrefixListId=id)
assert [len(page) for page in found] == [5, 1] and found[0][0] == {"Cidr": "198.51.100.0/32"}, found
[found] = ec2.describe_managed_prefix_lists(Filters=where("prefix-list-name", "pl*"))["PrefixLists"]
assert found["PrefixListId"] == id and found["State"] == "create-complete", found
assert found["Tags"] == [{"Key": "team", "Value": "net"}], found
for arguments, code in [
    (dict(AddressFamily="IPv5"), "InvalidParameterValue"),
    (dict(MaxEntries=0), "InvalidParameterValue"),
    (dict(PrefixListName="com.amazonaws.mine"), "InvalidParameterValue"),
    (dict(Entries=[{"Cidr": "::/0"}]), "InvalidParameterValue"),
]:
    with refused(code):
        ec2.create_managed_prefix_list(
            **{"PrefixListName": "x", "MaxEntries": 1, "AddressFamily": "IPv4", **arguments}
        )
group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "PrefixListIds": [{"PrefixListId": id}]}
ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
with refused("DependencyViolation"):
    ec2.delete_managed_prefix_list(PrefixListId=id)
ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])
ec2.delete_managed_prefix_list(PrefixListId=id)
with refused("InvalidPrefixListID.NotFound"):
    ec2.get_managed_prefix_list_entries(PrefixListId=id)

# Flow logs.
[log] = ec2.create_flow_logs(
    ResourceIds=[vpc], ResourceType="VPC", TrafficType="REJECT", MaxAggregationInterval=60
)["FlowLogIds"]
[found] = ec2.describe_flow_logs(Filters=where("resource-id", vpc))["FlowLogs"]
assert found["FlowLogId"] == log and found["TrafficType"] == "REJECT", found
assert found["MaxAggregationInterval"] == 60 and found["FlowLogStatus"] == "ACTIVE", found
assert found["LogFormat"].startswith("${version} ${account-id} ${interface-id}"), found
for arguments, code in [
    ({}, "FlowLogAlreadyExists"),
    (dict(MaxAggregationInterval=61, TrafficType="ALL"), "InvalidParameter"),
    (dict(TrafficType="SOME"), "InvalidParameterValue"),
    (dict(ResourceType="Planet"), "InvalidParameterValue"),
    (dict(ResourceType="Subnet"), "InvalidSubnetID.Malformed"),
    (dict(ResourceIds=["vpc-12345678"]), "InvalidVpcID.NotFound"),
    (dict(LogGroupName="logs"), "UnsupportedOperation"),
]:
    with refused(code):
        ec2.create_flow_logs(
            **{"ResourceIds": [vpc], "ResourceType": "VPC", "TrafficType": "REJECT", **arguments}
        )
ec2.create_flow_logs(ResourceIds=[subnet], ResourceType="Subnet", TrafficType="ALL")
assert len(ec2.describe_flow_logs()["FlowLogs"]) == 2
assert ec2.delete_flow_logs(FlowLogIds=[log])["Unsuccessful"] == []
with refused("InvalidFlowLogId.NotFound"):
    ec2.delete_flow_logs(FlowLogIds=[log])

# DHCP options.
[options] = ec2.describe_dhcp_options()["DhcpOptions"]
values = {c["Key"]: c["Values"][0]["Value"] for c in options["DhcpConfigurations"]}
assert values["domain-name-servers"] == "AmazonProvidedDNS", options
[found] = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
assert found["DhcpOptionsId"] == options["DhcpOptionsId"], found
ec2.associate_dhcp_options(DhcpOptionsId=options["DhcpOptionsId"], VpcId=vpc)
with refused("InvalidDhcpOptionID.NotFound"):
    ec2.associate_dhcp_options(DhcpOptionsId="dopt-12345678", VpcId=vpc)
with refused("UnsupportedOperation"):
    ec2.create_dhcp_options(DhcpConfigurations=[{"Key": "domain-name", "Values": ["x"]}])
