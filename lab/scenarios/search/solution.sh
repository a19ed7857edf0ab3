# Run it with the lab up: sh lab/scenarios/search/solution.sh
eval "$(weft lab env --ids)"

# Shard 3 is one of the shards.
weft interface update "$eni_shard_3" --group "$sg_shards"

# Answers of shard 2 go to its clients' ports, and so do answers to it.
weft network-acl put-entry "$acl_shards" ingress 110 allow tcp:1024-65535:10.50.0.0/16
weft network-acl put-entry "$acl_shards" egress 100 allow tcp:1024-65535:10.50.0.0/16 --wait
