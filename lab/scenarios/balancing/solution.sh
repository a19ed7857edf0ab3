# Run it with the lab up: sh lab/scenarios/balancing/solution.sh
eval "$(weft lab env --ids)"

# Servers see the customer.
weft security-group revoke "$sg_web" "$sgr_web_in_1" "$sgr_web_in_2"
weft security-group authorize "$sg_web" --ingress "tcp:80:$sg_customers"

# Checks ask for what is there, and who leaves has a minute.
weft target-group update "$tg_web" --check-path /health --deregistration-delay 60 --wait
