# Run it with the lab up: sh lab/scenarios/peering/solution.sh
eval "$(weft lab env --ids)"

# The mirror's answers to dev need a route as well.
weft route-table put-route "$rtb_shared_main" 10.61.0.0/16 "$pcx_dev_shared"

# Prod's machines are a group of a peered VPC.
weft security-group revoke "$sg_shared_mirror" "$sgr_shared_mirror_in_2"
weft security-group authorize "$sg_shared_mirror" --ingress "tcp:80:$sg_prod_team" --wait
