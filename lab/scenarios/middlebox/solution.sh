# Run it with the lab up: sh lab/scenarios/middlebox/solution.sh
eval "$(weft lab env --ids)"

# The way back leads through the firewall as the way there does.
weft route-table put-route "$rtb_data" 10.43.1.0/24 "$eni_firewall"

# It forwards what its own rules say, so its group lets in all that is the VPC's.
weft security-group authorize "$sg_forwards" --ingress all::10.43.0.0/16 --wait
