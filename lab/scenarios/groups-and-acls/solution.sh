# Run it with the lab up: sh lab/scenarios/groups-and-acls/solution.sh
eval "$(weft lab env --ids)"

# Answers go to whatever port the guest asked from.
weft network-acl put-entry "$acl_strict" egress 100 allow tcp:1024-65535:10.41.1.0/24

# The pest is denied before anybody is allowed.
weft network-acl delete-entry "$acl_strict" ingress 190
weft network-acl put-entry "$acl_strict" ingress 90 deny all::10.41.1.66/32 --wait
