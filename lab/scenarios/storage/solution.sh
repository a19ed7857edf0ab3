# Run it with the lab up: sh lab/scenarios/storage/solution.sh
eval "$(weft lab env --ids)"

# Sentinels are members of the group that they are in. Zone a's host can't hear it: no --wait.
weft security-group authorize "$sg_store" --ingress "tcp:26379:$sg_store"
