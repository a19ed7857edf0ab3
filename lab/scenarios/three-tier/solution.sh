# Run it with the lab up: sh lab/scenarios/three-tier/solution.sh
eval "$(weft lab env --ids)"

# The application listens to customers; the web tier is in front of it.
weft security-group revoke "$sg_app" "$sgr_app_in_1"
weft security-group authorize "$sg_app" --ingress "tcp:8080:$sg_web"

# Redis is on 6379, and the application alone needs it.
weft security-group revoke "$sg_data" "$sgr_data_in_1"
weft security-group authorize "$sg_data" --ingress "tcp:6379:$sg_app" --wait
