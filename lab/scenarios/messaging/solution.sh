# Run it with the lab up: sh lab/scenarios/messaging/solution.sh
eval "$(weft lab env --ids)"

# The subnet lets in the gateways of both zones, and no phones.
weft network-acl put-entry "$acl_private" ingress 110 allow tcp:6379:10.45.12.0/24
weft network-acl put-entry "$acl_private" egress 110 allow tcp:1024-65535:10.45.12.0/24
weft network-acl delete-entry "$acl_private" ingress 120
weft network-acl delete-entry "$acl_private" egress 120

# The queue lets in gateways, wherever they are.
weft security-group revoke "$sg_queue" "$sgr_queue_in_1"
weft security-group authorize "$sg_queue" --ingress "tcp:6379:$sg_gateways" --wait
