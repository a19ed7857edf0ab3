# Run it with the lab up: sh lab/scenarios/ride-sharing/solution.sh
eval "$(weft lab env --ids)"

# What comes from clusters is routed by a table that knows the dispatcher alone.
weft transit-attachment update "$tgw_attach_core_north" --route-table "$tgw_rtb_clusters"
weft transit-attachment update "$tgw_attach_core_south" --route-table "$tgw_rtb_clusters"

# The dispatcher's answers to the south go by the gateway as well.
weft route-table put-route "$rtb_dispatch_main" 10.72.0.0/16 "$tgw_core" --wait
