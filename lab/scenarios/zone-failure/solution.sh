# Run it with the lab up: sh lab/scenarios/zone-failure/solution.sh
eval "$(weft lab env --ids)"

weft target-group register "$tg_web" "$eni_web_b"
