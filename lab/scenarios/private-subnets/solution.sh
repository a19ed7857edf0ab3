# Run it with the lab up: sh lab/scenarios/private-subnets/solution.sh
eval "$(weft lab env --ids)"

# A NAT gateway takes ports from 1024 on.
weft network-acl put-entry "$acl_public" ingress 110 allow tcp:1024-65535:0.0.0.0/0

# Who has no public address goes out through it.
weft route-table put-route "$rtb_private_b" 0.0.0.0/0 "$nat_way_out" --wait
