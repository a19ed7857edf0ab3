# Run it with the lab up: sh lab/scenarios/streaming/solution.sh
eval "$(weft lab env --ids)"

# Zone b's caches go to the studio as zone a's do; viewers need no way there.
weft route-table put-route "$rtb_edge_caches_b" 10.49.0.0/16 "$pcx_edge_studio"
weft route-table delete-route "$rtb_edge_main" 10.49.0.0/16

# The origin lets in caches, not their neighbours.
weft security-group revoke "$sg_studio_origin" "$sgr_studio_origin_in_1"
weft security-group authorize "$sg_studio_origin" --ingress "tcp:80:$sg_edge_caches" --wait
